// The disk cache: 100,000 damaged files are refused by the check that stands before everything else, and folders and files that are not
// what they should be count as absent. Writers are killed half-way, and processes share a folder with more in it than fits.
#include "base/hash.h"
#include "kernel/disk.h"
#include "kernel/disk_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const fmi_disk_identity self = {"0123456789abcde", 7};
static char folder[64];
static uint32_t warnings;

static void note_warning(void *user, const char *sentence)
{
    (void)user;
    assert_non_null(strstr(sentence, "kernel cache folder"));
    warnings++;
}

static fmi_disk *open_disk(const char *path, uint64_t limit_bytes)
{
    const fmi_disk_info info = {
        .folder = path, .limit_bytes = limit_bytes, .identity = self, .warn = note_warning, .warn_user = NULL};
    return fmi_disk_create(&info);
}

static fmi_text key_of(uint32_t number)
{
    fmi_text key = {0};
    fmi_text_format(&key, "the key with the number %u", number);
    return key;
}

// Code of a length and of bytes that follow from the number, so that whoever reads it can tell whether it is the right one.
static uint8_t *code_of(uint32_t number, size_t size_bytes)
{
    uint8_t *code = malloc(size_bytes);
    for (size_t i = 0; i < size_bytes; i++) {
        code[i] = (uint8_t)((i * 31 + number) * 2654435761u >> 11);
    }
    return code;
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

// One whole file, in memory.
static fmi_text write_file(const fmi_disk_identity *identity, const fmi_text *key, size_t code_bytes,
                           size_t driver_bytes)
{
    fmi_text file = {0};
    uint8_t *code = code_of(1, code_bytes + driver_bytes + 1);
    fmi_disk_write(&file, identity, key, &(fmi_disk_content){code, code_bytes, code + code_bytes, driver_bytes});
    free(code);
    assert_false(file.failed);
    return file;
}

static bool parses(const uint8_t *bytes, size_t size_bytes, const fmi_text *key)
{
    fmi_disk_content content;
    // A copy of exactly this size, so that a sanitizer sees each byte too far.
    uint8_t *copy = malloc(size_bytes ? size_bytes : 1);
    memcpy(copy, bytes, size_bytes);
    bool is_good = fmi_disk_parse(copy, size_bytes, &self, key, &content);
    if (!is_good) {
        assert_null(content.code);
        assert_null(content.driver_data);
    }
    free(copy);
    return is_good;
}

static void format_whole_file_is_read_back(void **state)
{
    (void)state;
    fmi_text key = key_of(3);
    for (size_t code_bytes = 0; code_bytes < 40; code_bytes++) {
        for (size_t driver_bytes = 0; driver_bytes < 5; driver_bytes++) {
            fmi_text file = write_file(&self, &key, code_bytes, driver_bytes);
            fmi_disk_content c;
            assert_true(fmi_disk_parse((const uint8_t *)file.data, file.length, &self, &key, &c));
            assert_int_equal(c.code_size_bytes, code_bytes);
            assert_int_equal(c.driver_data_size_bytes, driver_bytes);
            uint8_t *code = code_of(1, code_bytes + driver_bytes + 1);
            assert_true(code_bytes == 0 ? c.code == NULL : memcmp(c.code, code, code_bytes) == 0);
            assert_true(driver_bytes == 0 ? c.driver_data == NULL
                                          : memcmp(c.driver_data, code + code_bytes, driver_bytes) == 0);
            free(code);
            fmi_text_free(&file);
        }
    }
    fmi_text_free(&key);
}

static void put_number(uint8_t *at, uint64_t number)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(number >> (8 * i));
    }
}

// One kind of damage; returns the size that is left.
static size_t damage(uint8_t *bytes, size_t size_bytes, uint32_t kind)
{
    static const uint64_t huge[] = {UINT64_MAX,        UINT64_MAX - 71, (uint64_t)1 << 63,
                                    (uint64_t)1 << 32, 64 << 20,        1 << 20};
    size_t at = (size_t)rand() % size_bytes;
    switch (kind) {
    case 0: return at; // truncated
    case 1: bytes[at] ^= (uint8_t)(1u << (rand() % 8)); return size_bytes;
    case 2: bytes[at] ^= (uint8_t)(1 + rand() % 255); return size_bytes;
    case 3: put_number(bytes + 32 + 8 * (rand() % 3), huge[rand() % 6]); return size_bytes; // a length
    case 4: // a length one off, another one off the other way: the sum is right
        bytes[32]++;
        bytes[40]--;
        return size_bytes;
    case 5: bytes[16 + rand() % 16] ^= 1; return size_bytes;           // another device
    case 6: bytes[12] ^= 1; return size_bytes;                         // another driver
    case 7: bytes[8] ^= 3; return size_bytes;                          // another format
    case 8: memset(bytes + at, 0, size_bytes - at); return size_bytes; // the end never reached the disk
    default:
        for (size_t i = 0; i < size_bytes; i++) {
            bytes[i] = (uint8_t)rand();
        }
        return size_bytes;
    }
}

static void format_100000_damaged_files_are_refused(void **state)
{
    (void)state;
    fmi_text key = key_of(5);
    fmi_text file = write_file(&self, &key, 300, 60);
    uint8_t *bytes = malloc(file.length);
    srand(1);
    uint32_t refused = 0;
    for (uint32_t i = 0; refused < 100000; i++) {
        memcpy(bytes, file.data, file.length);
        size_t size_bytes = damage(bytes, file.length, i % 10);
        bool is_changed = size_bytes != file.length || memcmp(bytes, file.data, file.length) != 0;
        bool is_good = parses(bytes, size_bytes, &key);
        assert_int_equal(is_good, !is_changed); // zeroing a tail that is zero is no damage
        refused += !is_good;
    }
    assert_true(parses((const uint8_t *)file.data, file.length, &key));
    free(bytes);
    fmi_text_free(&file);
    fmi_text_free(&key);
}

// A file that is whole and in order, but answers another question.
static void format_file_of_another_key_device_or_driver_is_refused_key_2(void **state)
{
    (void)state;
    fmi_text key = key_of(5), other_key = key_of(6);
    fmi_disk_identity other_device = self, other_driver = self;
    other_device.device_uuid[15] ^= 1;
    other_driver.driver_version++;
    fmi_text files[] = {write_file(&self, &other_key, 300, 60), write_file(&other_device, &key, 300, 60),
                        write_file(&other_driver, &key, 300, 60)};
    for (size_t i = 0; i < 3; i++) {
        assert_false(parses((const uint8_t *)files[i].data, files[i].length, &key));
        fmi_text_free(&files[i]);
    }
    char name[FMI_DISK_NAME_BYTES], other_name[FMI_DISK_NAME_BYTES];
    fmi_disk_name(&self, &key, name);
    fmi_disk_name(&other_device, &key, other_name);
    assert_string_not_equal(name, other_name); // devices share a folder side by side
    fmi_text_free(&key);
    fmi_text_free(&other_key);
}

// Gives a changed file the checksum that it would have had, as nobody does by accident.
static void forge_checksum(fmi_text *file, const fmi_text *key)
{
    uint64_t hash[2];
    size_t body = file->length - 16;
    fmi_hash128(file->data, body, fmi_hash64(key->data, key->length), hash);
    put_number((uint8_t *)file->data + body, hash[0]);
    put_number((uint8_t *)file->data + body + 8, hash[1]);
}

static void format_checksum_alone_is_not_believed(void **state)
{
    (void)state;
    fmi_text key = key_of(5), other_key = key_of(6);
    fmi_text file = write_file(&self, &key, 300, 60);
    forge_checksum(&file, &key);
    assert_true(parses((const uint8_t *)file.data, file.length, &key)); // the forger knows the way
    put_number((uint8_t *)file.data + 40, UINT64_MAX - 1); // lengths whose sum wraps round to the right one
    put_number((uint8_t *)file.data + 48, 362);
    forge_checksum(&file, &key);
    assert_false(parses((const uint8_t *)file.data, file.length, &key));
    fmi_text_free(&file);
    file = write_file(&self, &other_key, 300, 60); // another key's answer, with this key's checksum
    forge_checksum(&file, &key);
    assert_false(parses((const uint8_t *)file.data, file.length, &key));
    fmi_text_free(&file);
    fmi_text_free(&key);
    fmi_text_free(&other_key);
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

static void expect_unusable(const char *path)
{
    uint32_t before = warnings;
    fmi_disk *disk = open_disk(path, 1 << 20);
    for (int i = 0; i < 3; i++) {
        store(disk, 1, 100);
        assert_int_equal(load(disk, 1, 100), 0);
    }
    assert_int_equal(warnings, before + 1); // once, however often it is wanted
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
    expect_unusable(link);
    assert_int_equal(chmod(path, 0770), 0);
    expect_unusable(path);
    assert_int_equal(chmod(path, 0700), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 0), 0);
        expect_unusable(path);
    }
    expect_unusable("/dev/null");
    expect_unusable("/proc/no/such/folder");
    assert_null(open_disk("", 1 << 20)); // switched off
    char command[200];
    snprintf(command, sizeof command, "rm -r %s/a", folder);
    assert_int_equal(system(command), 0);
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
        cmocka_unit_test(format_whole_file_is_read_back),
        cmocka_unit_test(format_100000_damaged_files_are_refused),
        cmocka_unit_test(format_file_of_another_key_device_or_driver_is_refused_key_2),
        cmocka_unit_test(format_checksum_alone_is_not_believed),
        cmocka_unit_test_setup_teardown(disk_stored_file_is_loaded_by_the_next_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_damaged_files_are_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_special_files_are_absent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_folder_that_is_not_ours_alone_is_not_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_full_is_no_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_limit_deletes_the_least_recently_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_processes_share_a_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_writer_killed_100_times_leaves_only_whole_files, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
