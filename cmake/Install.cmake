# Install rules: headers, both libraries, the CMake package and the pkg-config file; the pages that headers point to, and the licences.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/fermata)

file(GLOB public_headers CONFIGURE_DEPENDS include/fermata/*.h)
if(NOT FERMATA_TESTING)
    list(FILTER public_headers EXCLUDE REGEX "/testing\\.h$")
endif()
install(FILES ${public_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fermata)
install(FILES LICENSE NOTICE.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY LICENSES DESTINATION ${CMAKE_INSTALL_DOCDIR})
file(GLOB pages CONFIGURE_DEPENDS docs/*.md)
install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_DOCDIR})
file(GLOB decisions CONFIGURE_DEPENDS docs/decisions/*.md)
install(FILES ${decisions} DESTINATION ${CMAKE_INSTALL_DOCDIR}/decisions)
# Two sets, so that the shared library can be found where the static one's dependencies are not installed.
install(TARGETS fermata EXPORT fermataShared)
install(TARGETS fermata_static EXPORT fermataStatic)
install(EXPORT fermataShared NAMESPACE fermata:: DESTINATION ${package_dir})
install(EXPORT fermataStatic NAMESPACE fermata:: DESTINATION ${package_dir})

configure_package_config_file(cmake/fermataConfig.cmake.in ${PROJECT_BINARY_DIR}/package/fermataConfig.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/fermataConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/fermataConfig.cmake ${PROJECT_BINARY_DIR}/package/fermataConfigVersion.cmake
    cmake/FermataDependencies.cmake DESTINATION ${package_dir})

# The same libraries, for pkg-config.
set(libs_private "")
get_target_property(libraries fermata_dependencies INTERFACE_LINK_LIBRARIES)
foreach(library IN LISTS libraries)
    if(library STREQUAL "Threads::Threads")
        list(APPEND libs_private -pthread)
    elseif(library MATCHES "/lib([^/]+)\\.a$")
        list(APPEND libs_private -l${CMAKE_MATCH_1})
    elseif(library MATCHES "^-")
        list(APPEND libs_private ${library})
    else()
        list(APPEND libs_private -l${library})
    endif()
endforeach()
list(JOIN libs_private " " FERMATA_LIBS_PRIVATE)
# The prefix relative to the file itself, so that an installation can be moved.
file(RELATIVE_PATH FERMATA_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" FERMATA_PC_PREFIX "${FERMATA_PC_PREFIX}")
configure_file(cmake/fermata.pc.in ${PROJECT_BINARY_DIR}/package/fermata.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/fermata.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
