# JSON for examples, benchmarks and tools (never for the library): the target fermata_jansson.
if(NOT TARGET fermata_jansson)
    # The archive where programs must run without libjansson installed.
    if(FERMATA_PORTABLE)
        find_library(JANSSON NAMES libjansson.a)
    else()
        find_library(JANSSON NAMES jansson)
    endif()
    find_path(JANSSON_INCLUDE jansson.h)
    mark_as_advanced(JANSSON JANSSON_INCLUDE)
    if(NOT JANSSON OR NOT JANSSON_INCLUDE)
        message(FATAL_ERROR "Missing: jansson (libjansson-dev). "
            "-DFERMATA_BUILD_EXAMPLES=OFF -DFERMATA_BUILD_BENCH=OFF -DFERMATA_BUILD_TOOLS=OFF builds without it.")
    endif()
    add_library(fermata_jansson INTERFACE IMPORTED GLOBAL)
    target_include_directories(fermata_jansson INTERFACE ${JANSSON_INCLUDE})
    target_link_libraries(fermata_jansson INTERFACE ${JANSSON})
endif()
