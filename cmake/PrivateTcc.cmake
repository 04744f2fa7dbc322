# Makes our own copy of Debian's libtcc.a, in two forms: FERMATA_TCC_OBJECT becomes part of libfermata.a, and the shared
# library is linked with FERMATA_TCC_ARCHIVE, whose names it can then hide. Three reasons for a copy:
# - The archive is not position-independent: it reaches stdout, stderr, stdin and environ relative to the program counter,
#   which a shared library must not. The copy reads variables of ours instead (fmi_tcc_*, hidden, in src/backend/host).
# - It defines globals such as `g`, `ch` and `file`, which would collide with those of a program that links us statically.
#   In the copy only tcc_* is visible.
# - After an error it leaves some of its state pointing to what it has freed, and the next compile reads it. The copy shows that
#   state under names of ours (fmi_tcc_*), and src/backend/host clears it.
set(FERMATA_TCC_ARCHIVE "")
set(FERMATA_TCC_OBJECT "")
if(FERMATA_HOST)
    find_library(FERMATA_TCC_ORIGINAL NAMES libtcc.a)
    mark_as_advanced(FERMATA_TCC_ORIGINAL)
    if(FERMATA_TCC_ORIGINAL)
        set(work ${PROJECT_BINARY_DIR}/tcc)
        set(FERMATA_TCC_ARCHIVE ${work}/libfermata_tcc.a)
        set(FERMATA_TCC_OBJECT ${work}/fermata_tcc.o)
        # At configure time: it takes a moment, and the archive then is a plain file to every rule.
        if(NOT EXISTS ${FERMATA_TCC_ARCHIVE} OR ${FERMATA_TCC_ORIGINAL} IS_NEWER_THAN ${FERMATA_TCC_ARCHIVE}
           OR ${CMAKE_CURRENT_LIST_FILE} IS_NEWER_THAN ${FERMATA_TCC_ARCHIVE})
            file(MAKE_DIRECTORY ${work})
            file(REMOVE ${FERMATA_TCC_ARCHIVE})
            execute_process(COMMAND_ERROR_IS_FATAL ANY
                COMMAND ${CMAKE_LINKER} -r -o ${work}/merged.o --whole-archive ${FERMATA_TCC_ORIGINAL})
            set(state "")
            foreach(symbol IN ITEMS global_label_stack local_label_stack cur_switch pending_gotos cur_scope root_scope loop_scope
                    all_cleanups in_sizeof in_generic)
                list(APPEND state --redefine-sym ${symbol}=fmi_tcc_${symbol})
            endforeach()
            execute_process(COMMAND_ERROR_IS_FATAL ANY
                COMMAND ${CMAKE_OBJCOPY} ${state} ${work}/merged.o ${work}/named.o)
            execute_process(COMMAND_ERROR_IS_FATAL ANY
                COMMAND ${CMAKE_OBJCOPY} --wildcard --globalize-symbol=fmi_tcc_* ${work}/named.o ${work}/shown.o)
            execute_process(COMMAND_ERROR_IS_FATAL ANY
                COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=tcc_* --keep-global-symbol=fmi_tcc_*
                    --redefine-sym stdout=fmi_tcc_stdout --redefine-sym stderr=fmi_tcc_stderr
                    --redefine-sym stdin=fmi_tcc_stdin --redefine-sym environ=fmi_tcc_environ
                    ${work}/shown.o ${FERMATA_TCC_OBJECT})
            execute_process(COMMAND_ERROR_IS_FATAL ANY
                COMMAND ${CMAKE_AR} rcs ${FERMATA_TCC_ARCHIVE} ${FERMATA_TCC_OBJECT})
        endif()
        set_source_files_properties(${FERMATA_TCC_OBJECT} PROPERTIES EXTERNAL_OBJECT ON)
    else()
        message(FATAL_ERROR "Missing: libtcc.a (libtcc-dev). -DFERMATA_HOST=OFF builds without the host backend.")
    endif()
endif()
