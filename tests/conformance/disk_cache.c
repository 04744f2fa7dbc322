// The disk cache as a program sees it: the second device finds what the first has made, damaged files change nothing but the time, and where
// nothing can be kept nothing is. These tests set FERMATA_CACHE_DIR for the length of an open; nothing runs beside them.
#include "groups.h"
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int set_up(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/fermata-cache-XXXXXX");
    return mkdtemp(folder) ? ct_setup(state) : -1;
}

// Calls `visit` with the path of every file that is there now; returns how many there are.
static uint32_t for_each_file(void (*visit)(const char *path))
{
    enum { MOST = 16 };
    static char paths[MOST][400];
    DIR *names = opendir(folder);
    uint32_t count = 0;
    for (struct dirent *entry; names && (entry = readdir(names)) != NULL;) {
        if (entry->d_name[0] != '.' && count < MOST) {
            snprintf(paths[count++], sizeof paths[0], "%s/%s", folder, entry->d_name);
        }
    }
    if (names) closedir(names);
    for (uint32_t i = 0; visit && i < count; i++) visit(paths[i]);
    return count;
}

static void remove_file(const char *path)
{
    unlink(path);
}

static int tear_down(void **state)
{
    int failed = ct_teardown(state);
    for_each_file(remove_file);
    return rmdir(folder) || failed;
}

static const char glsl_text[] = "#version 460\n"
                                "layout(local_size_x = 64) in;\n"
                                "layout(binding = 0) writeonly buffer X { uint x[]; };\n"
                                "void main() { x[gl_GlobalInvocationID.x] = gl_GlobalInvocationID.x * 5u; }\n";

// What the device's log was told; the tests here use the device on one thread.
static uint32_t told;
static char last_told[512];

static void note_log(void *user, const char *message)
{
    (void)user;
    snprintf(last_told, sizeof last_told, "%s", message);
    told++;
}

// Opens the device anew on the folder, runs one kernel of each language, checks the values, and stores the counters.
static void run_once(ct_fixture *f, const char *cache_dir, fm_device_stats *out)
{
    const char *old = getenv("FERMATA_CACHE_DIR");
    char saved[256] = "";
    if (old) snprintf(saved, sizeof saved, "%s", old);
    setenv("FERMATA_CACHE_DIR", cache_dir, 1);
    told = 0;
    fm_device *device = NULL;
    fm_status status = fm_device_open(ct_device_name(), &(fm_device_info){.log = note_log}, &device);
    if (old) {
        setenv("FERMATA_CACHE_DIR", saved, 1);
    } else {
        unsetenv("FERMATA_CACHE_DIR");
    }
    CT_OK(status);
    f->other = device; // closed by the teardown if a check fails
    fm_kernel_info infos[2] = {
        {.name = "portable",
         .code = "x[global_id.x] = 3u * global_id.x;",
         .params = &(fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
         .param_count = 1},
        {.name = "glsl", .language = FM_KERNEL_GLSL, .code = glsl_text},
    };
    fm_stream stream;
    fm_buffer buffer;
    CT_OK(fm_stream_create(device, NULL, &stream));
    CT_OK(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 256}, &buffer));
    for (uint32_t k = 0; k < (f->properties.runs_glsl ? 2 : 1); k++) {
        fm_kernel kernel;
        fm_commands *commands;
        fm_point point;
        uint32_t words[64] = {0};
        CT_OK(fm_kernel_create(device, &infos[k], &kernel));
        CT_OK(fm_commands_begin(device, NULL, &commands));
        fm_dispatch_info info = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
        CT_OK(fm_dispatch(commands, &info));
        CT_OK(fm_read(commands, buffer, 0, sizeof words, words));
        CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
        CT_OK(fm_point_wait(device, point, CT_TIMEOUT_NS));
        for (uint32_t i = 0; i < 64; i++) assert_int_equal(words[i], i * (k == 0 ? 3 : 5));
    }
    CT_OK(fm_device_get_stats(device, out));
    CT_OK(fm_device_close(&f->other, CT_TIMEOUT_NS));
}

// Kernels that `run_once` has made, and files that keep what was made of them. What the host device compiles cannot be kept; on a device that
// takes GLSL there are the portable kernel, the GLSL kernel's module and its pipeline.
static uint32_t kernels_made(const ct_fixture *f)
{
    return f->properties.runs_glsl ? 2 : 1;
}

static uint32_t files_kept(const ct_fixture *f)
{
    return f->properties.runs_glsl ? 3 : f->properties.kind == FM_DEVICE_HOST ? 0 : 1;
}

static void disk_cache_serves_the_next_device(void **state)
{
    ct_fixture *f = *state;
    fm_device_stats cold, warm;
    run_once(f, folder, &cold);
    run_once(f, folder, &warm);
    assert_int_equal(cold.disk_hits, 0);
    assert_int_equal(cold.kernels_compiled, kernels_made(f));
    assert_int_equal(cold.disk_misses, files_kept(f));
    assert_int_equal(for_each_file(NULL), files_kept(f));
    assert_int_equal(warm.kernels_compiled, files_kept(f) ? 0 : kernels_made(f));
    assert_int_equal(warm.disk_hits, files_kept(f));
    assert_int_equal(warm.disk_misses, 0);
    assert_int_equal(warm.variants_cached, kernels_made(f));
}

static void disk_cache_switched_off_keeps_nothing(void **state)
{
    ct_fixture *f = *state;
    fm_device_stats stats;
    run_once(f, "", &stats);
    assert_int_equal(stats.disk_hits + stats.disk_misses, 0);
    assert_int_equal(for_each_file(NULL), 0);
}

static void disk_cache_that_cannot_be_used_changes_nothing(void **state)
{
    ct_fixture *f = *state;
    fm_device_stats stats;
    char file[80];
    snprintf(file, sizeof file, "%s/file", folder);
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    const struct {
        const char *path;
        const char *cause;
    } cases[] = {
        {"/dev/null/kernels", "Not a directory"}, {file, "Not a directory"}, {"kernels", "not an absolute path"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run_once(f, cases[i].path, &stats);
        assert_int_equal(stats.disk_hits, 0);
        assert_int_equal(stats.kernels_compiled, kernels_made(f));
        // Once a device, although several files were wanted; the host device has nothing to keep, and says nothing.
        assert_int_equal(told, files_kept(f) > 0);
        if (told) assert_true(strstr(last_told, cases[i].path) && strstr(last_told, cases[i].cause));
    }
    assert_int_equal(access("kernels", F_OK), -1);
}

static ct_random damage_random;

// Damages one file in one of five ways.
static void damage_file(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    off_t at = (off_t)ct_random_below(&damage_random, (uint32_t)info.st_size);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    uint8_t bytes[8];
    memset(bytes, 0xff, sizeof bytes);
    switch (ct_random_below(&damage_random, 5)) {
    case 0: assert_int_equal(ftruncate(fd, at), 0); break;
    case 1:
        assert_int_equal(pread(fd, bytes, 1, at), 1);
        bytes[0] ^= (uint8_t)(1u << ct_random_below(&damage_random, 8));
        assert_int_equal(pwrite(fd, bytes, 1, at), 1);
        break;
    case 2: assert_int_equal(pwrite(fd, bytes, 8, 32 + 8 * (off_t)ct_random_below(&damage_random, 3)), 8); break;
    case 3: assert_int_equal(pwrite(fd, bytes, 4, 16), 4); break; // another device's
    default:
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/etc/passwd", path), 0);
        break;
    }
    close(fd);
}

static void disk_cache_of_damaged_files_is_made_anew(void **state)
{
    ct_fixture *f = *state;
    if (files_kept(f) == 0) return;
    fm_device_stats stats;
    run_once(f, folder, &stats);
    damage_random = (ct_random){3};
    uint32_t rounds = ct_scaled(12);
    for (uint32_t round = 0; round < rounds; round++) {
        assert_int_equal(for_each_file(damage_file), files_kept(f));
        run_once(f, folder, &stats); // checks the values
        assert_int_equal(stats.disk_hits, 0);
        assert_int_equal(stats.kernels_compiled, kernels_made(f));
    }
    run_once(f, folder, &stats); // all were replaced
    assert_int_equal(stats.disk_hits, files_kept(f));
}

int ct_group_disk_cache(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(disk_cache_serves_the_next_device, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_cache_switched_off_keeps_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_cache_that_cannot_be_used_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_cache_of_damaged_files_is_made_anew, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("disk_cache", tests, NULL, NULL);
}
