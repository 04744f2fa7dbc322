// The disk cache: folders and files that are not what they should be count as absent, and of a folder it is said why, once. Writers are
// killed half-way, and processes share a folder with more in it than fits.
#include "disk_fixture.h"

#include "variant/disk.h"
#include "variant/disk_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static uint32_t warnings;
static char warning[600]; // the last one

static void note_warning(void *user, const char *sentence)
{
    (void)user;
    snprintf(warning, sizeof warning, "%s", sentence);
    warnings++;
}

// Does the last warning name the folder and the cause?
static bool is_told(const char *path, const char *cause)
{
    bool is_named = strstr(warning, "the kernel cache folder '") && strstr(warning, path) && strstr(warning, cause);
    if (!is_named) {
        print_error("'%s' does not name '%s' and '%s'\n", warning, path, cause);
    }
    return is_named;
}

static fmi_disk *open_disk(const char *path, uint64_t limit_bytes)
{
    const fmi_disk_info info = {
        .folder = path, .limit_bytes = limit_bytes, .identity = self, .warn = note_warning, .warn_user = NULL};
    return fmi_disk_create(&info);
}

static void store(fmi_disk *disk, uint32_t number, size_t size_bytes)
{
    fmi_text key = key_of(number);
    uint8_t *code = code_of(number, size_bytes);
    fmi_disk_store(disk, &key,
                   &(fmi_disk_content){
                       .code = code, .code_size_bytes = size_bytes, .driver_data = code, .driver_data_size_bytes = 9});
    free(code);
    fmi_text_free(&key);
}

// -1: what was read is wrong; 0: not there; 1: there and right.
static int load(fmi_disk *disk, uint32_t number, size_t size_bytes)
{
    fmi_text key = key_of(number);
    fmi_disk_record record;
    int answer = 0;
    if (fmi_disk_load(disk, &key, &record)) {
        uint8_t *code = code_of(number, size_bytes);
        const fmi_disk_content *c = &record.content;
        answer = c->code_size_bytes == size_bytes && memcmp(c->code, code, size_bytes) == 0 &&
                         c->driver_data_size_bytes == 9 && memcmp(c->driver_data, code, 9) == 0
                     ? 1
                     : -1;
        free(code);
    } else {
        assert_null(record.bytes);
    }
    fmi_disk_release(&record);
    fmi_text_free(&key);
    return answer;
}

static void path_of(uint32_t number, char *out, size_t size_bytes)
{
    fmi_text key = key_of(number);
    char name[FMI_DISK_NAME_BYTES];
    fmi_disk_name(&self, &key, name);
    snprintf(out, size_bytes, "%s/%s", folder, name);
    fmi_text_free(&key);
}

// Counts files whose name begins so, and deletes them if told.
static uint32_t count_files(const char *prefix, bool remove_them)
{
    DIR *names = opendir(folder);
    uint32_t count = 0;
    for (struct dirent *entry; names && (entry = readdir(names)) != NULL;) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0) {
            count++;
            if (remove_them) {
                unlinkat(dirfd(names), entry->d_name, 0);
            }
        }
    }
    if (names) {
        closedir(names);
    }
    return count;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/fermata-disk-XXXXXX");
    warnings = 0;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    count_files("", true);
    return rmdir(folder);
}

static void disk_stored_file_is_loaded_by_the_next_process(void **state)
{
    (void)state;
    fmi_disk *disk = open_disk(folder, 1 << 20);
    assert_int_equal(load(disk, 1, 1000), 0);
    store(disk, 1, 1000);
    store(disk, 2, 10);
    assert_int_equal(load(disk, 1, 1000), 1);
    fmi_disk_destroy(&disk);
    disk = open_disk(folder, 1 << 20);
    assert_int_equal(load(disk, 1, 1000), 1);
    assert_int_equal(load(disk, 2, 10), 1);
    assert_int_equal(load(disk, 3, 10), 0);
    char path[128];
    struct stat info;
    path_of(1, path, sizeof path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(count_files(FMI_DISK_TEMPORARY, false), 0);
    assert_int_equal(warnings, 0);
    fmi_disk_destroy(&disk);
}

static void replace_by_bytes(const char *path, const void *bytes, size_t size_bytes)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size_bytes), (ssize_t)size_bytes);
    close(fd);
}

static void disk_damaged_files_are_replaced(void **state)
{
    (void)state;
    fmi_disk *disk = open_disk(folder, 1 << 20);
    fmi_text key = key_of(1);
    char path[128];
    path_of(1, path, sizeof path);
    srand(2);
    for (uint32_t i = 0; i < 2000; i++) {
        store(disk, 1, 300);
        fmi_disk_record record;
        assert_true(fmi_disk_load(disk, &key, &record));
        size_t size_bytes = damage(record.bytes, 72 + key.length + 300 + 9, i % 10);
        replace_by_bytes(path, record.bytes, size_bytes);
        fmi_disk_release(&record);
        assert_int_not_equal(load(disk, 1, 300), -1);
    }
    store(disk, 1, 300);
    assert_int_equal(load(disk, 1, 300), 1);
    fmi_text_free(&key);
    fmi_disk_destroy(&disk);
}

static void disk_special_files_are_absent(void **state)
{
    (void)state;
    fmi_disk *disk = open_disk(folder, 1 << 20);
    char path[128], elsewhere[128];
    path_of(1, path, sizeof path);
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", folder);
    store(disk, 1, 100);
    assert_int_equal(rename(path, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, path), 0); // to a file that is in order
    assert_int_equal(load(disk, 1, 100), 0);
    store(disk, 1, 100); // replaces the link, not what it points to
    assert_int_equal(load(disk, 1, 100), 1);
    struct stat info;
    assert_int_equal(lstat(path, &info), 0);
    assert_true(S_ISREG(info.st_mode));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); // opening it must not wait for a writer
    assert_int_equal(load(disk, 1, 100), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(load(disk, 1, 100), 0);
    store(disk, 1, 100); // cannot replace a folder, and leaves nothing behind
    assert_int_equal(count_files(FMI_DISK_TEMPORARY, false), 0);
    assert_int_equal(rmdir(path), 0);
    store(disk, 1, 100);
    assert_int_equal(chmod(path, 0620), 0); // others may write
    assert_int_equal(load(disk, 1, 100), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(load(disk, 1, 100), 1);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 0), 0);
        assert_int_equal(load(disk, 1, 100), 0);
    }
    int fd = open(path, O_WRONLY); // a terabyte that takes no place
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    close(fd);
    assert_int_equal(load(disk, 1, 100), 0);
    fmi_disk_destroy(&disk);
}

static void expect_unusable(const char *path, const char *cause)
{
    uint32_t before = warnings;
    fmi_disk *disk = open_disk(path, 1 << 20);
    for (int i = 0; i < 3; i++) {
        store(disk, 1, 100);
        assert_int_equal(load(disk, 1, 100), 0);
    }
    assert_int_equal(warnings, before + 1); // once, however often it is wanted
    assert_true(is_told(path, cause));
    fmi_disk_destroy(&disk);
}

static void disk_folder_that_is_not_ours_alone_is_not_used(void **state)
{
    (void)state;
    char path[160], link[160];
    snprintf(path, sizeof path, "%s/a/b", folder);
    snprintf(link, sizeof link, "%s/link", folder);
    fmi_disk *disk = open_disk(path, 1 << 20); // made on the way
    store(disk, 1, 100);
    assert_int_equal(load(disk, 1, 100), 1);
    fmi_disk_destroy(&disk);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    assert_int_equal(symlink(path, link), 0);
    expect_unusable(link, "Not a directory");
    assert_int_equal(chmod(path, 0770), 0);
    expect_unusable(path, "others can write");
    assert_int_equal(chmod(path, 0700), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 0), 0);
        expect_unusable(path, "belongs to another user");
    }
    expect_unusable("/dev/null", "Not a directory");
    expect_unusable("/dev/null/kernels", "Not a directory");
    expect_unusable("/proc/no/such/folder", "No such file");
    assert_null(open_disk("", 1 << 20)); // switched off
    char command[200];
    snprintf(command, sizeof command, "rm -r %s/a", folder);
    assert_int_equal(system(command), 0);
}

// Which folder it would be depends on where the program stands, so it is none; nothing is made on the way.
static void disk_folder_of_a_relative_path_is_not_used(void **state)
{
    (void)state;
    char before[1024];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    expect_unusable("kernels", "not an absolute path");
    expect_unusable("./a/b", "not an absolute path");
    expect_unusable(".", "not an absolute path");
    assert_int_equal(count_files("", false), 0);
    assert_int_equal(chdir(before), 0);
}

// Exits with 0 if all is as it should be. Not as root, whom no mode stops.
static void use_unwritable_folder(void)
{
    char below[160];
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) {
        _exit(1);
    }
    fmi_disk *disk = open_disk(folder, 1 << 20);
    if (load(disk, 1, 100) != 1 || warnings != 0) { // what is there is read
        _exit(2);
    }
    for (int i = 0; i < 3; i++) {
        store(disk, 2, 100);
        if (load(disk, 2, 100) != 0 || load(disk, 1, 100) != 1) {
            _exit(3);
        }
    }
    if (warnings != 1 || !is_told(folder, "cannot be written") || !is_told(folder, "Permission denied")) {
        _exit(4);
    }
    fmi_disk_destroy(&disk);
    snprintf(below, sizeof below, "%s/a/b", folder); // nor can a folder be made in it
    disk = open_disk(below, 1 << 20);
    store(disk, 2, 100);
    _exit(warnings == 2 && is_told(below, "Permission denied") ? 0 : 5);
}

static void disk_folder_that_cannot_be_written_is_read_and_told_of_once(void **state)
{
    (void)state;
    char path[128];
    fmi_disk *disk = open_disk(folder, 1 << 20);
    store(disk, 1, 100);
    fmi_disk_destroy(&disk);
    path_of(1, path, sizeof path);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_int_equal(chown(folder, 65534, 65534), 0);
    }
    assert_int_equal(chmod(folder, 0500), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        use_unwritable_folder();
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

// Runs `body` in a process of its own, which exits with 0 if all is as it should be.
static void expect_child(void (*body)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        body();
        _exit(99);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        fail_msg("ended by signal %d", WTERMSIG(status));
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static volatile sig_atomic_t raised;

static void note_signal(int number)
{
    (void)number;
    raised++;
}

// Stores files that the process may not write, and exits unless the log is told once and the signals stay as they are.
static void store_beyond_the_limit(bool is_pending)
{
    fmi_disk *disk = open_disk(folder, 1 << 20);
    store(disk, 1, 100);
    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){600, 600}) != 0) {
        _exit(1);
    }
    for (uint32_t i = 2; i < 5; i++) {
        store(disk, i, 10000);
    }
    if (load(disk, 1, 100) != 1 || load(disk, 2, 10000) != 0) {
        _exit(2);
    }
    if (warnings != 1 || !is_told(folder, strerror(EFBIG)) || count_files(FMI_DISK_TEMPORARY, false) != 0) {
        _exit(3);
    }
    sigset_t blocked, pending;
    sigemptyset(&pending);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    if (raised || sigismember(&pending, SIGXFSZ) != is_pending || sigismember(&blocked, SIGXFSZ) != is_pending) {
        _exit(4);
    }
    _exit(0);
}

static void store_with_the_default_action(void)
{
    signal(SIGXFSZ, SIG_DFL);
    store_beyond_the_limit(false);
}

static void store_with_a_handler(void)
{
    signal(SIGXFSZ, note_signal);
    store_beyond_the_limit(false);
}

static void store_while_the_programs_own_is_pending(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGXFSZ);
    signal(SIGXFSZ, note_signal);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise(SIGXFSZ);
    store_beyond_the_limit(true);
}

// `ulimit -f`: a write beyond it raises a signal whose default is to end the process.
static void disk_beyond_a_file_size_limit_raises_no_signal(void **state)
{
    (void)state;
    expect_child(store_with_the_default_action);
    expect_child(store_with_a_handler);
    expect_child(store_while_the_programs_own_is_pending);
}

enum { NO_MOUNT = 77 };

static void fill_a_small_disk(void)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", folder, "tmpfs", 0, "size=16k,mode=0700") != 0) {
        _exit(NO_MOUNT);
    }
    fmi_disk *disk = open_disk(folder, 1 << 20);
    for (uint32_t i = 1; i < 10; i++) {
        store(disk, i, 3000);
    }
    uint32_t there = 0;
    for (uint32_t i = 1; i < 10; i++) {
        int answer = load(disk, i, 3000);
        if (answer < 0) {
            _exit(1);
        }
        there += (uint32_t)answer;
    }
    bool is_right = there > 0 && there < 9 && warnings == 1 && is_told(folder, strerror(ENOSPC)) &&
                    count_files(FMI_DISK_TEMPORARY, false) == 0;
    _exit(is_right ? 0 : 2);
}

static void disk_of_16_kilobytes_keeps_what_fits(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fill_a_small_disk();
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_MOUNT) {
        print_message("no tmpfs can be mounted here: not tested\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void disk_full_is_no_failure(void **state)
{
    (void)state;
    fmi_disk *disk = open_disk(folder, 1 << 20);
    store(disk, 1, 100);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){4096, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0); // stands for a full disk: a write falls short, the next fails
    store(disk, 2, 10000);
    store(disk, 1, 10000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(load(disk, 2, 10000), 0);
    assert_int_equal(load(disk, 1, 100), 1); // what was there stays
    assert_int_equal(warnings, 1);
    assert_true(is_told(folder, "cannot be written"));
    assert_int_equal(count_files(FMI_DISK_TEMPORARY, false), 0);
    fmi_disk_destroy(&disk);
}

static void set_use(uint32_t number, time_t seconds)
{
    char path[128];
    path_of(number, path, sizeof path);
    const struct timespec times[2] = {{seconds, 0}, {seconds, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void disk_limit_deletes_the_least_recently_used(void **state)
{
    (void)state;
    fmi_disk *disk = open_disk(folder, 100000);
    for (uint32_t i = 0; i < 9; i++) {
        store(disk, i, 10000);
        set_use(i, 1000 + i);
    }
    assert_int_equal(load(disk, 0, 10000), 1); // used now
    char leftover[128], fresh[128], foreign[128];
    snprintf(leftover, sizeof leftover, "%s/%sold", folder, FMI_DISK_TEMPORARY);
    snprintf(fresh, sizeof fresh, "%s/%snew", folder, FMI_DISK_TEMPORARY);
    snprintf(foreign, sizeof foreign, "%s/somebody's own", folder);
    replace_by_bytes(leftover, "x", 1);
    replace_by_bytes(fresh, "x", 1);
    replace_by_bytes(foreign, "x", 1);
    const struct timespec long_ago[2] = {{1000, 0}, {1000, 0}};
    assert_int_equal(utimensat(AT_FDCWD, leftover, long_ago, 0), 0);
    store(disk, 9, 10000); // ten files of more than 10,000 bytes each
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(load(disk, i, 10000), i == 0 || i > 3); // 75,000 bytes may stay
    }
    assert_int_equal(access(leftover, F_OK), -1);
    assert_int_equal(access(fresh, F_OK), 0); // perhaps being written
    assert_int_equal(access(foreign, F_OK), 0);
    store(disk, 20, 200000); // over the limit by itself
    assert_int_equal(load(disk, 20, 200000), 0);
    assert_int_equal(load(disk, 9, 10000), 1);
    fmi_disk_destroy(&disk);
}

enum { SHARED_KEYS = 12, SHARED_BYTES = 40000 };

// Stores and loads at random; exits with 1 if it ever reads what is wrong.
static void share(unsigned seed)
{
    fmi_disk *disk = open_disk(folder, SHARED_KEYS * SHARED_BYTES / 2); // half of it fits
    int found = 0, wrong = 0;
    srand(seed);
    for (int i = 0; i < 300; i++) {
        uint32_t number = (uint32_t)rand() % SHARED_KEYS;
        int answer = load(disk, number, SHARED_BYTES);
        found += answer == 1;
        wrong += answer == -1;
        if (answer != 1) {
            store(disk, number, SHARED_BYTES);
        }
    }
    fmi_disk_destroy(&disk);
    _exit(wrong ? 1 : found ? 0 : 2);
}

static void disk_processes_share_a_folder(void **state)
{
    (void)state;
    enum { PROCESSES = 4 };
    pid_t children[PROCESSES];
    for (unsigned i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            share(i + 1);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_int_equal(count_files(FMI_DISK_TEMPORARY, false), 0);
}

enum { KILLED_BYTES = 1 << 19, KILLED_KEYS = 3 };

// Stores the same keys for ever, and says when it has stored one.
static void store_until_killed(int said)
{
    fmi_disk *disk = open_disk(folder, 64 << 20);
    fmi_text keys[KILLED_KEYS];
    uint8_t *codes[KILLED_KEYS];
    for (uint32_t k = 0; k < KILLED_KEYS; k++) {
        keys[k] = key_of(k);
        codes[k] = code_of(k, KILLED_BYTES);
    }
    for (uint32_t i = 0;; i++) {
        uint32_t k = i % KILLED_KEYS;
        fmi_disk_store(disk, &keys[k], &(fmi_disk_content){codes[k], KILLED_BYTES, codes[k], 9});
        if (write(said, "x", 1) != 1) {
            _exit(1);
        }
    }
}

static void disk_writer_killed_100_times_leaves_only_whole_files(void **state)
{
    (void)state;
    uint32_t half_done = 0, present = 0;
    srand(4);
    for (int round = 0; round < 100; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            store_until_killed(ends[1]);
        }
        close(ends[1]);
        char byte;
        for (int stores = rand() % 3; stores >= 0; stores--) {
            assert_int_equal(read(ends[0], &byte, 1), 1);
        }
        while (round % 2 == 0 && count_files(FMI_DISK_TEMPORARY, false) == 0) { // in the middle of a file
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(ends[0]);
        half_done += count_files(FMI_DISK_TEMPORARY, true);
        fmi_disk *disk = open_disk(folder, 64 << 20);
        for (uint32_t i = 0; i < KILLED_KEYS; i++) {
            int answer = load(disk, i, KILLED_BYTES);
            assert_int_not_equal(answer, -1);
            present += answer == 1;
        }
        fmi_disk_destroy(&disk);
    }
    assert_true(present >= 100); // each round had stored one at least
    assert_true(half_done > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(disk_stored_file_is_loaded_by_the_next_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_damaged_files_are_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_special_files_are_absent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_folder_that_is_not_ours_alone_is_not_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_folder_of_a_relative_path_is_not_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_folder_that_cannot_be_written_is_read_and_told_of_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_full_is_no_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_beyond_a_file_size_limit_raises_no_signal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_of_16_kilobytes_keeps_what_fits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_limit_deletes_the_least_recently_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_processes_share_a_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_writer_killed_100_times_leaves_only_whole_files, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
