// Finds the null layer beside the program and enables it. See null_driver.h.
#include "null_driver.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAYER "VK_LAYER_FERMATA_null"
#define MANIFEST "VkLayer_fermata_null.json"
#define LIBRARY "libVkLayer_fermata_null.so"

// Puts `text` at the front or back of a list of names that is separated by ':'.
static bool extend(const char *variable, const char *text, bool in_front)
{
    const char *old = getenv(variable);
    if (!old || !*old) {
        return setenv(variable, text, 1) == 0;
    }
    size_t size = strlen(old) + strlen(text) + 2;
    char *joined = malloc(size);
    if (!joined) {
        return false;
    }
    snprintf(joined, size, "%s:%s", in_front ? text : old, in_front ? old : text);
    bool good = setenv(variable, joined, 1) == 0;
    free(joined);
    return good;
}

// "<where the program lies>/../lib"; false: it cannot be told.
static bool find_folder(char *folder, size_t size)
{
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) {
        return false;
    }
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (!slash) {
        return false;
    }
    *slash = '\0';
    int written = snprintf(folder, size, "%s/../lib", program);
    return written > 0 && (size_t)written < size;
}

bool null_driver_enable(void)
{
    char folder[PATH_MAX], manifest[PATH_MAX + sizeof MANIFEST + 1];
    if (!find_folder(folder, sizeof folder)) {
        fprintf(stderr, "fermata-bench: cannot tell where this program lies, so the null layer is not found; try "
                        "--with-driver\n");
        return false;
    }
    snprintf(manifest, sizeof manifest, "%s/%s", folder, MANIFEST);
    if (access(manifest, R_OK) != 0) {
        fprintf(stderr, "fermata-bench: the null layer is not at %s; try --with-driver\n", manifest);
        return false;
    }
    // VK_LAYER_PATH, where it is set, makes the loader ignore VK_ADD_LAYER_PATH.
    return extend(getenv("VK_LAYER_PATH") ? "VK_LAYER_PATH" : "VK_ADD_LAYER_PATH", folder, true) &&
           extend("VK_INSTANCE_LAYERS", LAYER, false);
}

const null_marks *null_driver_marks(void)
{
    char folder[PATH_MAX], library[PATH_MAX + sizeof LIBRARY + 1];
    if (!find_folder(folder, sizeof folder)) {
        return NULL;
    }
    snprintf(library, sizeof library, "%s/%s", folder, LIBRARY);
    void *handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
    const null_marks *marks = handle ? dlsym(handle, "fermata_null_marks") : NULL;
    if (handle) {
        dlclose(handle); // the loader keeps it
    }
    return marks;
}
