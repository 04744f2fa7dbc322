// The CUDA backend's compiler, without a card: which file is taken, for which architecture it compiles, and what it says of mistakes.
#include "backend/cuda/cuda.h"
#include "base/error.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void nvrtc_that_is_named_and_not_there_is_told(void **state)
{
    (void)state;
    static const char *const files[] = {"/nowhere/libnvrtc.so.13",
                                        "libm.so.6"}; // the second is a library, but not this one
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        fmi_nvrtc nvrtc;
        char why[FMI_CUDA_WHY_BYTES] = "";
        assert_false(fmi_nvrtc_load(files[i], &nvrtc, why));
        assert_non_null(strstr(why, files[i]));
        assert_non_null(strstr(why, "FERMATA_NVRTC"));
    }
}

static fmi_cu_result count_known(int *out)
{
    *out = 3;
    return FMI_CU_SUCCESS;
}

static fmi_cu_result list_known(int *out)
{
    out[0] = 75, out[1] = 80, out[2] = 90;
    return FMI_CU_SUCCESS;
}

static void nvrtc_compiles_for_the_newest_that_the_device_runs(void **state)
{
    (void)state;
    const fmi_nvrtc nvrtc = {.GetNumSupportedArchs = count_known, .GetSupportedArchs = list_known};
    static const uint32_t cases[][2] = {{90, 90}, {80, 80}, {86, 80}, {120, 90}, {75, 75}, {70, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(fmi_cuda_choose_architecture(&nvrtc, cases[i][0]), cases[i][1]);
    }
}

static bool find(fmi_nvrtc *out)
{
    char why[FMI_CUDA_WHY_BYTES] = "";
    if (fmi_nvrtc_load(NULL, out, why)) {
        return true;
    }
    print_message("no NVRTC here: %s\n", why);
    assert_non_null(strstr(why, "libnvrtc.so.13"));
    return false;
}

static void nvrtc_gives_machine_code_or_ptx(void **state)
{
    (void)state;
    fmi_nvrtc nvrtc;
    if (!find(&nvrtc)) {
        skip();
    }
    static const char source[] = "extern \"C\" __global__ void k(float *y) { y[threadIdx.x] = 1.0f; }\n";
    fmi_text code = {0}, log = {0};
    assert_int_equal(fmi_cuda_compile(&nvrtc, 90, 90, "k", source, &code, &log), FM_OK);
    assert_true(code.length > 4 && memcmp(code.data, "\177ELF", 4) == 0);
    fmi_text_free(&code);
    // A device newer than the compiler: the driver finishes.
    assert_int_equal(fmi_cuda_compile(&nvrtc, 999, 90, "k", source, &code, &log), FM_OK);
    assert_non_null(strstr(fmi_text_get(&code), ".target sm_90"));
    assert_int_equal(code.data[code.length - 1], 0);
    fmi_text_free(&code);
    fmi_text_free(&log);
}

static void nvrtc_that_refuses_a_text_says_where(void **state)
{
    (void)state;
    fmi_nvrtc nvrtc;
    if (!find(&nvrtc)) {
        skip();
    }
    fmi_text code = {0}, log = {0};
    fm_status status =
        fmi_cuda_compile(&nvrtc, 90, 90, "broken", "\n__global__ void k() { undeclared = 1; }\n", &code, &log);
    assert_int_equal(status, FM_ERROR_COMPILE);
    assert_non_null(strstr(fm_last_error(), "'broken'"));
    assert_non_null(strstr(fmi_text_get(&log), "(2): error"));
    assert_int_equal(code.length, 0);
    fmi_text_free(&log);
    // Not a mistake of the text's: an architecture that is none.
    status = fmi_cuda_compile(&nvrtc, 7, 7, "strange", "", &code, &log);
    assert_int_equal(status, FM_ERROR_BACKEND);
    assert_non_null(strstr(fm_last_error(), "sm_7"));
    fmi_text_free(&code);
    fmi_text_free(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nvrtc_that_is_named_and_not_there_is_told),
        cmocka_unit_test(nvrtc_compiles_for_the_newest_that_the_device_runs),
        cmocka_unit_test(nvrtc_gives_machine_code_or_ptx),
        cmocka_unit_test(nvrtc_that_refuses_a_text_says_where),
    };
    return cmocka_run_group_tests_name("cuda_nvrtc", tests, NULL, NULL);
}
