// Loading and unloading the shared library again and again: keys, threads, files and memory are as they were.
// usage: process-unload LIBRARY [CYCLES]. FERMATA_TEST_DEVICE names the device. Not linked with the library, so that it can go.
#include <fermata/fermata.h>

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The functions that a cycle calls.
#define FUNCTIONS(X)                                                                                                   \
    X(fm_device_open)                                                                                                  \
    X(fm_device_close)                                                                                                 \
    X(fm_stream_create)                                                                                                \
    X(fm_buffer_create)                                                                                                \
    X(fm_kernel_create)                                                                                                \
    X(fm_commands_begin)                                                                                               \
    X(fm_dispatch)                                                                                                     \
    X(fm_commit)                                                                                                       \
    X(fm_buffer_read)                                                                                                  \
    X(fm_last_error)

typedef struct library {
    void *handle;
#define MEMBER(name) __typeof__(&name) name;
    FUNCTIONS(MEMBER)
#undef MEMBER
} library;

enum {
    WARM_CYCLES = 4, // what the system and the driver keep once is there
    SKIPPED = 77,
    KEYS_LOST = 2,             // at most: what a driver keeps once
    BYTES_A_CYCLE = 128 << 10, // at most, in the mean: the driver alone moves by as much from run to run
};
#define TIMEOUT_NS UINT64_C(30000000000)

static void log_nothing(void *user, const char *message)
{
    (void)user, (void)message;
}

static bool load(const char *path, library *out)
{
    out->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!out->handle) {
        fprintf(stderr, "process-unload: %s\n", dlerror());
        return false;
    }
    void *symbol;
#define FIND(name)                                                                                                     \
    symbol = dlsym(out->handle, #name);                                                                                \
    memcpy(&out->name, &symbol, sizeof symbol);
    FUNCTIONS(FIND)
#undef FIND
    return true;
}

// One kernel with barrier() on a device of its own.
static fm_status compute(const library *l)
{
    fm_device *device = NULL;
    fm_status status = l->fm_device_open(getenv("FERMATA_TEST_DEVICE") ? getenv("FERMATA_TEST_DEVICE") : "host",
                                         &(fm_device_info){.log = log_nothing, .host_threads = 2}, &device);
    if (status != FM_OK) return status;
    fm_stream stream = {0};
    fm_buffer buffer = {0};
    fm_kernel kernel = {0};
    fm_commands *commands = NULL;
    uint32_t values[64] = {0};
    const fm_kernel_param y = {"y", FM_DTYPE_U32, FM_ACCESS_WRITE};
    const fm_kernel_info info = {
        .name = "number", .code = "uint l = local_id.x; barrier(); y[l] = l + 5u;", .params = &y, .param_count = 1};
    status = l->fm_stream_create(device, NULL, &stream);
    if (status == FM_OK) status = l->fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 256}, &buffer);
    if (status == FM_OK) status = l->fm_kernel_create(device, &info, &kernel);
    if (status == FM_OK) status = l->fm_commands_begin(device, NULL, &commands);
    const fm_binding binding = {.buffer = buffer};
    const fm_dispatch_info dispatch = {
        .kernel = kernel, .group_count = {1, 1, 1}, .bindings = &binding, .binding_count = 1};
    if (status == FM_OK) status = l->fm_dispatch(commands, &dispatch);
    if (status == FM_OK) status = l->fm_commit(&commands, &(fm_commit_info){.stream = stream}, NULL);
    if (status == FM_OK) status = l->fm_buffer_read(device, stream, buffer, 0, sizeof values, values, TIMEOUT_NS);
    if (status == FM_OK && values[63] != 68) status = FM_ERROR_KERNEL_FAILED;
    fm_status closed = l->fm_device_close(&device, TIMEOUT_NS);
    return status != FM_OK ? status : closed;
}

// A thread that used the library, and ends when it is gone.
typedef struct guest {
    const library *library;
    pthread_barrier_t meet;
    fm_status status;
} guest;

static void *visit(void *context)
{
    guest *g = context;
    g->status = compute(g->library);
    pthread_barrier_wait(&g->meet); // done
    pthread_barrier_wait(&g->meet); // unloaded
    return NULL;
}

static uint32_t count_entries(const char *path)
{
    uint32_t count = 0;
    DIR *folder = opendir(path);
    while (folder && readdir(folder)) count++;
    if (folder) closedir(folder);
    return count;
}

static uint32_t count_free_keys(void)
{
    static pthread_key_t keys[2048];
    uint32_t count = 0;
    while (count < 2048 && pthread_key_create(&keys[count], NULL) == 0) count++;
    for (uint32_t i = 0; i < count; i++) pthread_key_delete(keys[i]);
    return count;
}

static long resident_bytes(void)
{
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
    if (file) fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

typedef struct state {
    uint32_t keys, threads, files;
    long bytes;
} state;

static state look(void)
{
    return (state){count_free_keys(), count_entries("/proc/self/task"), count_entries("/proc/self/fd"),
                   resident_bytes()};
}

// Loads, computes on this thread and on one that outlives the library, unloads. FM_OK, or what went wrong.
static fm_status cycle(const char *path)
{
    library l;
    if (!load(path, &l)) return FM_ERROR_BACKEND;
    fm_status status = compute(&l);
    if (status != FM_OK) {
        fprintf(stderr, "process-unload: %s\n", l.fm_last_error());
        return status;
    }
    guest g = {.library = &l};
    pthread_t thread;
    pthread_barrier_init(&g.meet, NULL, 2);
    pthread_create(&thread, NULL, visit, &g);
    pthread_barrier_wait(&g.meet);
    dlclose(l.handle);
    void *still = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    pthread_barrier_wait(&g.meet);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&g.meet);
    if (still) {
        fprintf(stderr, "process-unload: the library stays loaded\n");
        return FM_ERROR_BACKEND;
    }
    return g.status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: process-unload LIBRARY [CYCLES]\n");
        return 2;
    }
    uint32_t cycles = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 12;
    state before = {0};
    for (uint32_t i = 0; i < WARM_CYCLES + cycles; i++) {
        if (i == WARM_CYCLES) before = look();
        fm_status status = cycle(argv[1]);
        if (status == FM_ERROR_NO_DEVICE && i == 0) return SKIPPED;
        if (status != FM_OK) {
            fprintf(stderr, "process-unload: cycle %u: status %d\n", i, (int)status);
            return EXIT_FAILURE;
        }
    }
    state after = look();
    printf("%u cycles: keys free %u to %u, threads %u to %u, files %u to %u, resident %ld to %ld KiB\n", cycles,
           before.keys, after.keys, before.threads, after.threads, before.files, after.files, before.bytes >> 10,
           after.bytes >> 10);
    bool good = after.keys + KEYS_LOST >= before.keys && after.threads <= before.threads &&
                after.files <= before.files && after.bytes - before.bytes < (long)cycles * BYTES_A_CYCLE;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
