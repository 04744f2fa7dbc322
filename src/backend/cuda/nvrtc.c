// Finds NVIDIA's compiler for run time, NVRTC: where the loader looks, in the toolkit's folder, and where NVIDIA's Python packages put it.
// Nothing is kept here; a library that was opened stays, since it has threads and handlers of its own. Any thread.
#include "backend/cuda/driver.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The newest first.
static const char *const sonames[] = {"libnvrtc.so.13", "libnvrtc.so.12"};
enum { SONAMES = sizeof sonames / sizeof *sonames };

#define PACKAGES "/lib/python3*/[sd]i[ts][et]-packages/nvidia/*/lib/" // of site-packages and dist-packages

static bool find_functions(void *library, fmi_nvrtc *out)
{
    void *symbol;
#define FIND(field, name, arguments)                                                                                   \
    symbol = dlsym(library, #name);                                                                                    \
    if (!symbol) {                                                                                                     \
        return false;                                                                                                  \
    }                                                                                                                  \
    memcpy(&out->field, &symbol, sizeof symbol); /* ISO C has no cast from object to function pointers */
    FMI_NVRTC_FUNCTIONS(FIND)
#undef FIND
    return out->Version(&out->version[0], &out->version[1]) == FMI_CU_SUCCESS;
}

static bool open_file(const char *name, fmi_nvrtc *out)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library && !find_functions(library, out)) {
        dlclose(library);
        return false;
    }
    return library != NULL;
}

// Opens the first file that `folder` and `pattern` find.
static bool open_found(const char *folder, size_t length, const char *pattern, fmi_nvrtc *out)
{
    bool is_open = false;
    for (size_t i = 0; i < SONAMES && !is_open; i++) {
        char text[1024];
        int size = snprintf(text, sizeof text, "%.*s%s%s", (int)length, folder, pattern, sonames[i]);
        glob_t found;
        if (size < 0 || (size_t)size >= sizeof text || glob(text, GLOB_NOSORT, NULL, &found) != 0) {
            continue;
        }
        for (size_t f = 0; f < found.gl_pathc && !is_open; f++) {
            is_open = open_file(found.gl_pathv[f], out);
        }
        globfree(&found);
    }
    return is_open;
}

// The packages of each Python that PATH leads to: bin beside lib.
static bool open_beside_path(fmi_nvrtc *out)
{
    const char *path = secure_getenv("PATH");
    while (path && *path) {
        size_t length = strcspn(path, ":");
        if (length && path[0] == '/' && open_found(path, length, "/.." PACKAGES, out)) {
            return true;
        }
        path += length + (path[length] == ':');
    }
    return false;
}

static bool open_any(fmi_nvrtc *out)
{
    for (size_t i = 0; i < SONAMES; i++) {
        if (open_file(sonames[i], out)) {
            return true;
        }
    }
    const char *home = secure_getenv("HOME"), *environment = secure_getenv("VIRTUAL_ENV");
    return open_found("/usr/local/cuda/lib64/", 22, "", out) ||
           (environment && open_found(environment, strlen(environment), PACKAGES, out)) || open_beside_path(out) ||
           open_found("/usr", 4, PACKAGES, out) || open_found("/usr/local", 10, PACKAGES, out) ||
           (home && open_found(home, strlen(home), "/.local" PACKAGES, out));
}

bool fmi_nvrtc_load(const char *name, fmi_nvrtc *out, char why[FMI_CUDA_WHY_BYTES])
{
    *out = (fmi_nvrtc){0};
    if (name ? open_file(name, out) : open_any(out)) {
        return true;
    }
    if (name) {
        snprintf(why, FMI_CUDA_WHY_BYTES, "FERMATA_NVRTC names '%.100s', which is no NVRTC that can be loaded", name);
    } else {
        snprintf(why, FMI_CUDA_WHY_BYTES,
                 "NVRTC, NVIDIA's compiler, was not found as libnvrtc.so.13 or .12, neither in the toolkit nor in a "
                 "Python package; FERMATA_NVRTC names the file");
    }
    return false;
}
