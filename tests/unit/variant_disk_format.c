// Files of the disk cache in memory: 100,000 damaged ones are refused by the check that stands before everything else, and so are whole ones that
// answer another question.
#include "disk_fixture.h"

#include "base/hash.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_whole_file_is_read_back),
        cmocka_unit_test(format_100000_damaged_files_are_refused),
        cmocka_unit_test(format_file_of_another_key_device_or_driver_is_refused_key_2),
        cmocka_unit_test(format_checksum_alone_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
