# Finds the archives that Fermata stands on and gathers them in one target. Used by the build, and installed for whoever
# links the static library. Archives, not shared objects: what links them runs where the -dev packages are not installed.

# fermata_add_dependencies(<target>)
# Creates the interface target, or sets FERMATA_MISSING_DEPENDENCIES in the caller and creates nothing.
# Reads FERMATA_VULKAN and FERMATA_PORTABLE.
function(fermata_add_dependencies target)
    # In link order: each archive stands before those that it needs.
    set(names "")
    if(FERMATA_VULKAN)
        list(APPEND names
            spirv-cross-c spirv-cross-glsl spirv-cross-hlsl spirv-cross-msl spirv-cross-cpp spirv-cross-reflect
            spirv-cross-util spirv-cross-core
            glslang MachineIndependent GenericCodeGen OSDependent OGLCompiler SPIRV glslang-default-resource-limits
            SPIRV-Tools-opt SPIRV-Tools)
    endif()
    # Newer versions of glslang have merged these into the others.
    set(merged MachineIndependent GenericCodeGen OSDependent OGLCompiler)
    set(libraries "")
    set(missing "")
    foreach(name IN LISTS names)
        find_library(FERMATA_ARCHIVE_${name} NAMES lib${name}.a)
        mark_as_advanced(FERMATA_ARCHIVE_${name})
        if(FERMATA_ARCHIVE_${name})
            list(APPEND libraries ${FERMATA_ARCHIVE_${name}})
        elseif(NOT name IN_LIST merged)
            list(APPEND missing lib${name}.a)
        endif()
    endforeach()
    if(missing)
        list(JOIN missing ", " missing)
        set(FERMATA_MISSING_DEPENDENCIES "${missing}" PARENT_SCOPE)
        return()
    endif()
    if(FERMATA_VULKAN)
        # The archives are C++; our programs are linked as C.
        if(FERMATA_PORTABLE)
            list(APPEND libraries -l:libstdc++.a -static-libgcc)
        else()
            list(APPEND libraries stdc++)
        endif()
    endif()
    add_library(${target} INTERFACE IMPORTED)
    target_link_libraries(${target} INTERFACE ${libraries} Threads::Threads ${CMAKE_DL_LIBS} m)
endfunction()
