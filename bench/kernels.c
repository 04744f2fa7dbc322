// Suite `kernels`. setup/: creating the decoder's kernels in a process that has just begun, with the disk cache filled (value) and empty
// (floor). create/: one kernel, its variant compiled, read from the disk cache, or found in the device's. hit/: a dispatch whose variant
// the bindings choose, beside one of a kernel whose dtypes are fixed (floor); 1 to 10,000 variants of one kernel in turn, in a list
// that holds them already (held), or in lists that each meet them for the first time (first). threads/: CPU time of eight threads'
// dispatches beside one thread's. Nothing is submitted to the device but what set-up needs. Main thread, but for threads/.
#include "kernels.h"

#include "suite.h"
#include "watch.h"

#include <dirent.h>
#include <fermata/fermata.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PARAMS = 6,             // of the kernel with many variants
    MOST_VARIANTS = 10000,  // of the 15,625 that five dtypes for six parameters give
    SETUPS = 5,             // repetitions of set-up, cold and warm
    SETUP_MOST_S = 300,     // one of them may take
    CREATIONS = 20,         // kernels of create/
    LIST = 256,             // dispatches in a list of hit/first and threads/
    HELD_DISPATCHES = 4096, // at least, in one timed round of hit/held
    REPETITIONS = 41,       // of hit/ and threads/
    THREADS = 8,
};

static const uint64_t timeout_ns = 600000000000;
static const uint64_t making_ns = 20000000000; // after which no more variants are made
static const char dir_variable[] = "FERMATA_CACHE_DIR";

static bool good(fm_status status)
{
    if (status != FM_OK) {
        fprintf(stderr, "fermata-bench: %s\n", fm_last_error());
    }
    return status == FM_OK;
}

// --- set-up ---------------------------------------------------------------------------------------------------------

// Opens the device on a folder of the disk cache.
static bool open_on(const char *name, const char *dir, fm_device **out)
{
    setenv(dir_variable, dir, 1);
    return good(fm_device_open(name, &(fm_device_info){.variant_limit = 2 * MOST_VARIANTS}, out));
}

static void empty_folder(const char *dir)
{
    DIR *names = opendir(dir);
    for (struct dirent *entry; names && (entry = readdir(names)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            unlinkat(dirfd(names), entry->d_name, 0);
        }
    }
    if (names) {
        closedir(names);
    }
}

static bool time_setup(const char *name, const char *dir, double *out_ms)
{
    fm_device *device;
    kernels all;
    if (!open_on(name, dir, &device)) {
        return false;
    }
    fm_device_properties properties;
    uint64_t begin = now_ns();
    bool fine = good(fm_device_get_properties(device, &properties)) &&
                good(kernels_create(device, kernels_choose_tiling(&properties, true), true, &all));
    *out_ms = (double)(now_ns() - begin) / 1e6;
    return good(fm_device_close(&device, timeout_ns)) && fine;
}

// In a process of its own, because a compiler does much of its work once a process: that is part of a cold start.
static bool time_setup_afresh(const char *name, const char *dir, double *out_ms)
{
    int ends[2], status = 0;
    fflush(stdout);
    pid_t child = pipe(ends) == 0 ? fork() : -1;
    if (child < 0) {
        perror("fermata-bench: fork");
        return false;
    }
    if (child == 0) {
        double ms;
        alarm(SETUP_MOST_S); // nobody watches it
        bool fine = time_setup(name, dir, &ms) && write(ends[1], &ms, sizeof ms) == (ssize_t)sizeof ms;
        _exit(fine ? 0 : 1);
    }
    close(ends[1]);
    bool fine = read(ends[0], out_ms, sizeof *out_ms) == (ssize_t)sizeof *out_ms;
    close(ends[0]);
    return waitpid(child, &status, 0) == child && status == 0 && fine;
}

// What set-up took, cold and warm; before this process has touched a device.
static bool measure_setup(const char *name, const char *dir, spread *cold, spread *warm)
{
    double cold_ms[SETUPS], warm_ms[SETUPS];
    for (int i = 0; i < SETUPS; i++) {
        empty_folder(dir);
        if (!time_setup_afresh(name, dir, &cold_ms[i]) || !time_setup_afresh(name, dir, &warm_ms[i])) {
            return false;
        }
    }
    *cold = spread_of(cold_ms, SETUPS);
    *warm = spread_of(warm_ms, SETUPS);
    return true;
}

static fm_status create_numbered(fm_device *device, int number)
{
    char body[160];
    snprintf(body, sizeof body, "uint i = global_id.x; if (i < 64u) y[i] = %d.0f * x[i] + y[i];", number);
    const fm_kernel_param params[] = {{"x", FM_DTYPE_F32, FM_ACCESS_READ}, {"y", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}};
    fm_kernel kernel;
    return fm_kernel_create(device,
                            &(fm_kernel_info){.name = "numbered", .code = body, .params = params, .param_count = 2},
                            &kernel);
}

static bool time_creations(fm_device *device, spread *out)
{
    double samples[CREATIONS];
    for (int i = 0; i < CREATIONS; i++) {
        uint64_t begin = now_ns();
        if (!good(create_numbered(device, i))) {
            return false;
        }
        samples[i] = (double)(now_ns() - begin) / 1e3;
    }
    *out = spread_of(samples, CREATIONS);
    return true;
}

static bool measure_creation(const char *name, const char *dir, report *results)
{
    spread cold, found, warm;
    fm_device *first, *second;
    empty_folder(dir);
    if (!open_on(name, dir, &first)) {
        return false;
    }
    bool fine = good(create_numbered(first, -1)) && time_creations(first, &cold) && time_creations(first, &found);
    fine = good(fm_device_close(&first, timeout_ns)) && fine;
    if (!fine || !open_on(name, dir, &second)) {
        return false;
    }
    fine = time_creations(second, &warm);
    fine = good(fm_device_close(&second, timeout_ns)) && fine;
    const struct {
        const char *name;
        spread value;
    } rows[] = {{"create/compiled", cold}, {"create/from disk", warm}, {"create/found", found}};
    for (size_t i = 0; i < 3 && fine; i++) {
        report_add(results, &(report_row){.name = rows[i].name,
                                          .unit = "us/kernel",
                                          .value = rows[i].value,
                                          .floor = cold,
                                          .has_floor = i > 0,
                                          .has_spread = true});
    }
    return fine;
}

// --- hits -----------------------------------------------------------------------------------------------------------

typedef struct hits {
    fm_device *device;
    fm_stream stream;
    fm_kernel chosen; // dtypes come with the bindings
    fm_kernel fixed;  // every dtype is given
    fm_buffer buffer;
    uint32_t variants;              // that are made
    fm_binding (*bindings)[PARAMS]; // of each variant, in a shuffled order
    fm_binding (*plain)[PARAMS];    // as many, without dtypes, for the fixed kernel
} hits;

static fm_status create_wide(fm_device *device, fm_dtype dtype, fm_kernel *out)
{
    fm_kernel_param params[PARAMS];
    static const char *const names[PARAMS] = {"a", "b", "c", "d", "e", "f"};
    for (int p = 0; p < PARAMS; p++) {
        params[p] = (fm_kernel_param){names[p], dtype, FM_ACCESS_READ_WRITE};
    }
    return fm_kernel_create(device,
                            &(fm_kernel_info){.name = "wide",
                                              .code = "a[0] = 1; b[0] = 1; c[0] = 1; d[0] = 1; e[0] = 1; f[0] = 1;",
                                              .params = params,
                                              .param_count = PARAMS},
                            out);
}

// Asks for variants of the wide kernel ahead of time and waits for them; as many as come within `making_ns`.
static bool make_variants(hits *h, const fm_dtype *dtypes, uint32_t dtype_count)
{
    enum { STEP = 100 };
    uint64_t begin = now_ns();
    while (h->variants < MOST_VARIANTS && now_ns() - begin < making_ns) {
        for (int pass = 0; pass < 2; pass++) {
            for (uint32_t v = h->variants; v < h->variants + STEP; v++) {
                fm_dtype choice[PARAMS];
                for (uint32_t p = 0, rest = v; p < PARAMS; p++, rest /= dtype_count) {
                    choice[p] = dtypes[rest % dtype_count];
                    h->bindings[v][p] = (fm_binding){.buffer = h->buffer, .dtype = choice[p]};
                    h->plain[v][p] = (fm_binding){.buffer = h->buffer};
                }
                if (!good(pass == 0 ? fm_kernel_prepare(h->device, h->chosen, choice, PARAMS)
                                    : fm_kernel_wait(h->device, h->chosen, choice, PARAMS, timeout_ns))) {
                    return false;
                }
            }
        }
        h->variants += STEP;
    }
    report_note("%u variants of one kernel made in %.1f s", h->variants, (double)(now_ns() - begin) / 1e9);
    return true;
}

static bool open_hits(hits *h, const char *name)
{
    *h = (hits){.bindings = calloc(MOST_VARIANTS, sizeof *h->bindings),
                .plain = calloc(MOST_VARIANTS, sizeof *h->plain)};
    fm_device_properties properties;
    if (!h->bindings || !h->plain || !open_on(name, "", &h->device) ||
        !good(fm_device_get_properties(h->device, &properties)) ||
        !good(fm_stream_create(h->device, NULL, &h->stream)) ||
        !good(fm_buffer_create(h->device, &(fm_buffer_info){.size_bytes = 64}, &h->buffer)) ||
        !good(create_wide(h->device, FM_DTYPE_NONE, &h->chosen)) ||
        !good(create_wide(h->device, FM_DTYPE_F32, &h->fixed))) {
        return false;
    }
    fm_dtype dtypes[5];
    uint32_t count = 0;
    for (uint32_t d = FM_DTYPE_F32; d <= FM_DTYPE_U8 && count < 5; d++) {
        if (properties.dtype_mask & (1u << d)) {
            dtypes[count++] = (fm_dtype)d;
        }
    }
    return make_variants(h, dtypes, count);
}

static bool close_hits(hits *h)
{
    bool closed = !h->device || good(fm_device_close(&h->device, timeout_ns));
    free((void *)h->bindings);
    free((void *)h->plain);
    return closed;
}

// Records dispatches `from` to `to`, going round the first `variants` sets of bindings.
static bool record(const hits *h, fm_commands *commands, bool fixed, uint32_t variants, uint32_t from, uint32_t to)
{
    fm_binding(*sets)[PARAMS] = fixed ? h->plain : h->bindings;
    fm_dispatch_info info = {.kernel = fixed ? h->fixed : h->chosen, .group_count = {1, 1, 1}, .binding_count = PARAMS};
    fm_status status = FM_OK;
    for (uint32_t i = from; i < to && status == FM_OK; i++) {
        info.bindings = sets[i % variants];
        status = fm_dispatch(commands, &info);
    }
    return good(status);
}

// One repetition: ns a dispatch in a list that holds all variants (`held`), or in lists of LIST dispatches from the beginning on.
static bool time_hits(const hits *h, bool fixed, bool held, uint32_t variants, double *out_ns)
{
    uint32_t total = variants > HELD_DISPATCHES ? variants : HELD_DISPATCHES;
    uint32_t length = held ? total : LIST;
    uint64_t spent = 0;
    for (uint32_t done = 0; done < total; done += length) {
        fm_commands *commands;
        uint64_t begin = now_ns();
        bool fine = good(fm_commands_begin(h->device, NULL, &commands));
        if (fine && held) { // every variant once, so that the list holds it
            fine = record(h, commands, fixed, variants, 0, variants);
            begin = now_ns();
        }
        fine = fine && record(h, commands, fixed, variants, done, done + length);
        spent += now_ns() - begin;
        if (!good(fm_commands_cancel(&commands)) || !fine) {
            return false;
        }
    }
    *out_ns = (double)spent / ((total + length - 1) / length * length);
    return true;
}

static bool measure_hits(const hits *h, bool held, report *results)
{
    static const uint32_t counts[] = {1, 10, 100, 1000, 10000};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0] && counts[c] <= h->variants; c++) {
        double chosen[REPETITIONS], fixed[REPETITIONS], unused;
        bool fine = time_hits(h, false, held, counts[c], &unused) && time_hits(h, true, held, counts[c], &unused);
        for (int i = 0; i < REPETITIONS && fine; i++) {
            fine = time_hits(h, false, held, counts[c], &chosen[i]) && time_hits(h, true, held, counts[c], &fixed[i]);
        }
        if (!fine) {
            return false;
        }
        char name[64];
        snprintf(name, sizeof name, "hit/%s/%u", held ? "held" : "first", counts[c]);
        report_add(results, &(report_row){.name = name,
                                          .unit = "ns/dispatch",
                                          .value = spread_of(chosen, REPETITIONS),
                                          .floor = spread_of(fixed, REPETITIONS),
                                          .has_floor = true,
                                          .has_spread = true});
    }
    return true;
}

// --- threads --------------------------------------------------------------------------------------------------------

typedef struct worker {
    const hits *h;
    uint32_t first;             // variant to begin at
    uint32_t variants;          // to go round
    uint32_t list;              // dispatches a list
    fm_buffer buffer;           // its own, so that kernels and variants are all that threads share
    fm_binding (*sets)[PARAMS]; // the variants' bindings with that buffer
    double ns;                  // CPU time a dispatch
    bool fine;
} worker;

static bool open_worker(worker *w)
{
    w->sets = calloc(w->variants, sizeof *w->sets);
    if (!w->sets || !good(fm_buffer_create(w->h->device, &(fm_buffer_info){.size_bytes = 64}, &w->buffer))) {
        return false;
    }
    for (uint32_t i = 0; i < w->variants; i++) {
        memcpy(w->sets[i], w->h->bindings[w->first + i], sizeof w->sets[i]);
        for (uint32_t p = 0; p < PARAMS; p++) {
            w->sets[i][p].buffer = w->buffer;
        }
    }
    return true;
}

static bool close_worker(worker *w)
{
    free((void *)w->sets);
    return good(fm_buffer_destroy(w->h->device, w->buffer));
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *work(void *argument)
{
    worker *w = argument;
    enum { DISPATCHES = 1 << 18 };
    w->fine = true;
    uint64_t begin = cpu_ns();
    for (uint32_t done = 0; done < DISPATCHES && w->fine; done += w->list) {
        fm_commands *commands;
        fm_dispatch_info info = {.kernel = w->h->chosen, .group_count = {1, 1, 1}, .binding_count = PARAMS};
        w->fine = good(fm_commands_begin(w->h->device, NULL, &commands));
        for (uint32_t i = 0; i < w->list && w->fine; i++) {
            info.bindings = w->sets[(done + i) % w->variants];
            w->fine = good(fm_dispatch(commands, &info));
        }
        w->fine = good(fm_commands_cancel(&commands)) && w->fine;
    }
    w->ns = (double)(cpu_ns() - begin) / DISPATCHES;
    return NULL;
}

// CPU time a dispatch with this many threads; each its own variants, or all the same.
static bool time_threads(const hits *h, uint32_t count, bool shared, uint32_t variants, uint32_t list, double *out)
{
    worker workers[THREADS];
    pthread_t threads[THREADS];
    bool fine = true;
    uint32_t started = 0;
    for (; started < count && fine; started++) {
        worker *w = &workers[started];
        *w = (worker){.h = h, .first = shared ? 0 : started * variants, .variants = variants, .list = list};
        fine = open_worker(w) && pthread_create(&threads[started], NULL, work, w) == 0;
        if (!fine) {
            close_worker(w);
        }
    }
    started -= !fine;
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
        fine = close_worker(&workers[i]) && workers[i].fine && fine;
        out[i] = workers[i].ns;
    }
    return fine;
}

static bool measure_threads(const hits *h, report *results)
{
    static const struct {
        const char *name;
        bool shared;
        uint32_t variants;
        uint32_t list;
    } cases[] = {{"threads/8/one, lists of 256", true, 1, LIST},
                 {"threads/8/one, lists of 1", true, 1, 1},
                 {"threads/8/own 100, lists of 256", false, 100, LIST},
                 {"threads/8/own, lists of 1", false, 1, 1}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        enum { ROUNDS = 3 };
        double many[ROUNDS * THREADS], one[ROUNDS];
        bool fine = THREADS * cases[c].variants <= h->variants;
        for (int i = 0; i < ROUNDS && fine; i++) {
            fine = time_threads(h, 1, cases[c].shared, cases[c].variants, cases[c].list, &one[i]) &&
                   time_threads(h, THREADS, cases[c].shared, cases[c].variants, cases[c].list, many + i * THREADS);
        }
        if (!fine) {
            return false;
        }
        report_add(results, &(report_row){.name = cases[c].name,
                                          .unit = "CPU ns/dispatch",
                                          .value = spread_of(many, ROUNDS * THREADS),
                                          .floor = spread_of(one, ROUNDS),
                                          .has_floor = true,
                                          .has_spread = true});
    }
    return true;
}

// Shuffles the order of variants, so that no prefetcher helps.
static void shuffle(hits *h)
{
    uint64_t state = 88172645463325252u;
    for (uint32_t i = h->variants - 1; i > 0; i--) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        uint32_t other = (uint32_t)(state % (i + 1));
        fm_binding saved[PARAMS];
        memcpy(saved, h->bindings[i], sizeof saved);
        memcpy(h->bindings[i], h->bindings[other], sizeof saved);
        memcpy(h->bindings[other], saved, sizeof saved);
    }
}

// Everything that runs in this process.
static bool measure_here(const fm_device_properties *properties, const char *dir, report *results)
{
    bool fine = measure_creation(properties->name, dir, results);
    // Long lists get their memory back from the process, not from the kernel page by page: that would be most of what is measured.
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    hits h = {0};
    fine = fine && open_hits(&h, properties->name);
    if (fine) {
        shuffle(&h);
        fine = measure_hits(&h, true, results) && measure_hits(&h, false, results) && measure_threads(&h, results);
    }
    return close_hits(&h) && fine;
}

static bench_result describe(const char *name, fm_device_properties *out)
{
    fm_device *device;
    fm_status status = fm_device_open(name, NULL, &device);
    if (!good(status)) {
        return status == FM_ERROR_NO_DEVICE ? BENCH_NO_DEVICE : BENCH_FAILED;
    }
    bool fine = good(fm_device_get_properties(device, out));
    return good(fm_device_close(&device, timeout_ns)) && fine ? BENCH_GOOD : BENCH_FAILED;
}

bench_result suite_kernels(const bench_options *options, report *results)
{
    char dir[] = "/tmp/fermata-bench-XXXXXX";
    if (!mkdtemp(dir)) {
        perror("fermata-bench: mkdtemp");
        return BENCH_FAILED;
    }
    spread cold, warm;
    fm_device_properties properties;
    bool is_set_up = measure_setup(options->device, dir, &cold, &warm);
    watch_suite("kernels");                                       // not sooner: what is measured above forks
    bench_result result = describe(options->device, &properties); // tells a missing device from a failure
    if (result == BENCH_GOOD && !is_set_up) {
        result = BENCH_FAILED;
    }
    if (result == BENCH_GOOD) {
        report_begin(results, "kernels", properties.description);
        report_note("setup: in fresh processes; floor is the same with an empty disk cache; create: floor is a "
                    "compile;");
        report_note("hit: floor is a kernel of fixed dtypes; threads: floor is one thread alone");
        if (!properties.runs_glsl) {
            report_note("what this device compiles cannot be kept on disk: warm is as cold");
        }
        report_add(results, &(report_row){.name = "setup/decode, warm | cold",
                                          .unit = "ms",
                                          .value = warm,
                                          .floor = cold,
                                          .has_floor = true,
                                          .has_spread = true});
        result = measure_here(&properties, dir, results) ? BENCH_GOOD : BENCH_FAILED;
    }
    empty_folder(dir);
    rmdir(dir);
    return result;
}
