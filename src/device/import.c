// Buffers on memory that the caller keeps (fm_buffer_import_host), and how the caller learns that the device has done with it.
// Any thread. The caller's release function runs on the keeper, outside every lock; what only the device's closing ends is told by the thread that
// closes it, when everything else of the device is gone.
#include "device/device.h"

#include "base/phrase.h"
#include "memory/import.h"

#include <stdlib.h>

// The caller's function for one import. Made with the import, so that nothing can fail when it ends.
typedef struct notice {
    fmi_callback callback; // first: the keeper frees it
    void (*release)(void *user, void *pointer);
    void *user;
    void *pointer;
} notice;

static void run_release(void *context, fm_point unused, fm_status none)
{
    (void)unused;
    (void)none;
    const notice *n = context;
    n->release(n->user, n->pointer);
}

// The import is over: the keeper tells the caller, or, when it has gone home, whoever closes the device.
static void end_import(void *context, fmi_import *import)
{
    fm_device *device = context;
    notice *n = import->notice;
    free(import);
    if (!n) {
        return;
    }
    if (atomic_load(&device->closing)) {
        n->callback.next = device->releases;
        device->releases = &n->callback;
    } else {
        fmi_keeper_queue(&device->retirement, &n->callback);
    }
}

void fmi_device_init_imports(fm_device *device)
{
    device->imports = (fmi_imports){.pool = &device->pool, .ended = end_import, .user = device};
    atomic_store(&device->closing, 0);
    device->releases = NULL;
}

void fmi_device_run_releases(fm_device *device)
{
    while (device->releases) {
        fmi_callback *callback = device->releases;
        device->releases = callback->next;
        callback->function(callback->user, callback->point, callback->status);
        free(callback);
    }
}

static fm_status check(const fm_device *device, const fm_buffer_import_info *info)
{
    const fmi_backend_caps *caps = &device->caps;
    if (!info->pointer || info->size_bytes == 0) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "%s", info->pointer ? "size_bytes is 0" : "pointer is NULL");
    }
    if (fmi_is_negative(info->size_bytes)) {
        return fmi_fail(FM_ERROR_OUT_OF_MEMORY, "size_bytes is %s, a negative number",
                        fmi_number(info->size_bytes).text);
    }
    if (!device->ops->import_block || caps->import_alignment_bytes == 0) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "device '%s' takes no host memory: %s", device->name,
                        device->ops->import_block ? "its driver lacks VK_EXT_external_memory_host"
                                                  : "its backend cannot");
    }
    if ((uintptr_t)info->pointer % caps->import_alignment_bytes != 0) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "pointer %p is not a multiple of the device's %u bytes",
                        info->pointer, caps->import_alignment_bytes);
    }
    if (info->size_bytes % caps->import_step_bytes != 0) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "size_bytes %llu is not a multiple of the device's %u bytes",
                        (unsigned long long)info->size_bytes, caps->import_step_bytes);
    }
    if (info->size_bytes > caps->max_block_bytes || info->size_bytes > UINTPTR_MAX - (uintptr_t)info->pointer) {
        return fmi_fail(FM_ERROR_OUT_OF_MEMORY, "%llu bytes at %p are more than the device takes at once",
                        (unsigned long long)info->size_bytes, info->pointer);
    }
    return FM_OK;
}

fm_status fmi_device_import_host(fm_device *device, const fm_buffer_import_info *info, fm_buffer *out)
{
    fm_status status = check(device, info);
    if (status != FM_OK) {
        return status;
    }
    notice *n = info->release ? calloc(1, sizeof *n) : NULL;
    if (info->release && !n) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to note an import");
    }
    fmi_import *import;
    status = fmi_import_create(&device->imports, info->pointer, info->size_bytes, &import);
    if (status != FM_OK) {
        free(n);
        return status;
    }
    fmi_buffer *buffer;
    fm_buffer handle;
    if (n) {
        *n = (notice){{.function = run_release, .user = n}, info->release, info->release_user, info->pointer};
        import->notice = n;
    }
    status = fmi_buffer_create_on(&device->buffers, import->memory, info->size_bytes, info->label, &handle.id, &buffer);
    if (status != FM_OK) { // the caller keeps the memory, and is told by the answer
        import->notice = NULL;
        fmi_import_release(import->memory);
        free(n);
        return status;
    }
    *out = handle;
    return FM_OK;
}
