# Makes our own copy of Debian's libtcc.a and sets FERMATA_TCC_ARCHIVE to it. Two reasons:
# - The archive is not position-independent: it reaches stdout, stderr, stdin and environ relative to the program counter,
#   which a shared library must not. The copy reads variables of ours instead (fmi_tcc_*, hidden, in src/backend/host).
# - It defines globals such as `g`, `ch` and `file`, which would collide with those of a program that links us statically.
#   In the copy only tcc_* is visible.
set(FERMATA_TCC_ARCHIVE "")
if(FERMATA_HOST)
    find_library(FERMATA_TCC_ORIGINAL NAMES libtcc.a)
    mark_as_advanced(FERMATA_TCC_ORIGINAL)
    if(FERMATA_TCC_ORIGINAL)
        set(FERMATA_TCC_ARCHIVE ${PROJECT_BINARY_DIR}/lib/libfermata_tcc.a)
        # At configure time: it takes a moment, and the archive then is a plain file to every rule.
        if(NOT EXISTS ${FERMATA_TCC_ARCHIVE} OR ${FERMATA_TCC_ORIGINAL} IS_NEWER_THAN ${FERMATA_TCC_ARCHIVE}
           OR ${CMAKE_CURRENT_LIST_FILE} IS_NEWER_THAN ${FERMATA_TCC_ARCHIVE})
            set(work ${PROJECT_BINARY_DIR}/tcc)
            file(MAKE_DIRECTORY ${work} ${PROJECT_BINARY_DIR}/lib)
            file(REMOVE ${FERMATA_TCC_ARCHIVE})
            execute_process(COMMAND_ERROR_IS_FATAL ANY
                COMMAND ${CMAKE_LINKER} -r -o ${work}/merged.o --whole-archive ${FERMATA_TCC_ORIGINAL})
            execute_process(COMMAND_ERROR_IS_FATAL ANY
                COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=tcc_*
                    --redefine-sym stdout=fmi_tcc_stdout --redefine-sym stderr=fmi_tcc_stderr
                    --redefine-sym stdin=fmi_tcc_stdin --redefine-sym environ=fmi_tcc_environ
                    ${work}/merged.o ${work}/fermata_tcc.o)
            execute_process(COMMAND_ERROR_IS_FATAL ANY
                COMMAND ${CMAKE_AR} rcs ${FERMATA_TCC_ARCHIVE} ${work}/fermata_tcc.o)
        endif()
    endif()
endif()
