// The promise of the portable language: a text that one device takes means the same on every other, and what one would not take every
// device refuses, with the same sentence at the same place. Values are compared with what the text says, word by word (KEY-6).
#include "groups.h"
#include "support.h"

// A text that must be refused.
typedef struct refusal {
    const char *header;
    const char *code;
    const char *sentence; // a part of it, with its place
} refusal;

// A text that must run, and the first words of u after it.
typedef struct result {
    const char *header;
    const char *code;
    uint32_t words[4];
} result;

static fm_kernel_info make_info(const char *header, const char *code)
{
    static const fm_kernel_param params[] = {{"x", FM_DTYPE_F32, FM_ACCESS_READ_WRITE},
                                             {"k", FM_DTYPE_I32, FM_ACCESS_READ_WRITE},
                                             {"u", FM_DTYPE_U32, FM_ACCESS_READ_WRITE},
                                             {"h", FM_DTYPE_NONE, FM_ACCESS_READ_WRITE}};
    static const fm_kernel_constant constants[] = {{"n", FM_DTYPE_U32}, {"a", FM_DTYPE_F32}};
    static const fm_kernel_shared shared[] = {{"s", FM_DTYPE_U32, 64}};
    static const fm_kernel_special specials[] = {{"FIVE", FM_DTYPE_U32, 5}, {"LESS", FM_DTYPE_I32, -3}};
    return (fm_kernel_info){.name = "text",
                            .code = code,
                            .header = header,
                            .params = params,
                            .param_count = 4,
                            .constants = constants,
                            .constant_count = 2,
                            .shared = shared,
                            .shared_count = 1,
                            .specials = specials,
                            .special_count = 2,
                            .group_size = {1, 1, 1}};
}

// Every refusal is the language's own, with the line and a caret: no compiler of a target was asked.
static void expect_refusals(ct_fixture *f, const refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fm_kernel_info info = make_info(cases[i].header, cases[i].code);
        fm_kernel kernel = {UINT64_MAX};
        fm_status status = fm_kernel_create(f->device, &info, &kernel);
        const char *said = fm_last_error();
        bool is_right = status == FM_ERROR_COMPILE && strstr(said, "fm_kernel_create: kernel 'text': ") &&
                        strstr(said, cases[i].sentence) && strchr(said, '^') && !strstr(said, "does not compile");
        if (!is_right) {
            fail_msg("'%s' with header '%s' gave %s, not '%s':\n%s", cases[i].code,
                     cases[i].header ? cases[i].header : "", fm_status_name(status), cases[i].sentence, said);
        }
    }
}

static void expect_results(ct_fixture *f, const result *cases, size_t count)
{
    const struct {
        uint32_t n;
        float a;
    } constants = {7, 2.5f};
    for (size_t i = 0; i < count; i++) {
        fm_kernel_info info = make_info(cases[i].header, cases[i].code);
        fm_kernel kernel = {0};
        CT_OK(fm_kernel_create(f->device, &info, &kernel));
        static const uint32_t zeros[64];
        fm_buffer buffers[4];
        for (int k = 0; k < 4; k++) buffers[k] = ct_buffer_of(f, zeros, sizeof zeros);
        fm_commands *commands = ct_begin(f);
        fm_dispatch_info dispatch =
            ct_dispatch_info(kernel, 1,
                             CT_BINDINGS({.buffer = buffers[0]}, {.buffer = buffers[1]}, {.buffer = buffers[2]},
                                         {.buffer = buffers[3], .dtype = FM_DTYPE_F32}),
                             &constants, sizeof constants);
        CT_OK(fm_dispatch(commands, &dispatch));
        ct_finish(f, commands);
        uint32_t words[4];
        ct_read(f, buffers[2], 0, sizeof words, words);
        for (int k = 0; k < 4; k++) CT_OK(fm_buffer_destroy(f->device, buffers[k]));
        CT_OK(fm_kernel_destroy(f->device, kernel));
        if (memcmp(words, cases[i].words, sizeof words) != 0) {
            fail_msg("'%s' gave 0x%x 0x%x 0x%x 0x%x, expected 0x%x 0x%x 0x%x 0x%x", cases[i].code, words[0], words[1],
                     words[2], words[3], cases[i].words[0], cases[i].words[1], cases[i].words[2], cases[i].words[3]);
        }
    }
}

#define EXPECT_REFUSALS(cases) expect_refusals(*state, cases, sizeof cases / sizeof cases[0])
#define EXPECT_RESULTS(cases) expect_results(*state, cases, sizeof cases / sizeof cases[0])

static void name_that_is_not_of_the_language_is_refused(void **state)
{
    static const refusal cases[] = {
        {NULL, "x[0] = lround(1.5);", "line 1, column 8: there is no function 'lround' in the language"},
        {NULL, "x[0] = mod(1.5, 2.0);", "column 8: there is no function 'mod'"},
        {NULL, "x[0] = dot(1.5, 2.0);", "there is no function 'dot'"},
        {NULL, "u[0] = uint(bitCount(n));", "column 13: there is no function 'bitCount'"},
        {NULL, "x[0] = smoothstep(0.0, 1.0, a);", "there is no function 'smoothstep'"},
        {NULL, "memoryBarrierShared();", "there is no function 'memoryBarrierShared'"},
        {NULL, "x[0] = sqrtf(2.0);",
         "there is no function 'sqrtf' in the language or before this in the header; here "
         "it is called 'sqrt'"},
        {NULL, "x[0] = inversesqrt(2.0);", "here it is called 'rsqrt'"},
        {NULL, "x[0] = powf(2.0, 3.0);", "here it is called 'pow'"},
        {NULL, "x[0] = squrt(2.0);", "do you mean 'sqrt'?"},
        {NULL, "x[0] = mad(a, a, a);", "here it is called 'fma'"}, // by meaning, though 'max' is nearer
        {NULL, "u[0] = globalId.x;", "column 8: 'globalId' is no built-in id; do you mean 'global_id'?"},
        {NULL, "u[0] = SV_DispatchThreadID.x;", "column 8: 'SV_DispatchThreadID' is no built-in id; here it is called"},
        {NULL, "switch (n) { case 1: break; }", "column 1: 'switch' is no word of the portable language; write if"},
        {NULL, "goto out; out: x[0] = 1.0;", "column 1: 'goto' is no word of the portable language; write a loop"},
        {NULL, "out: x[0] = 1.0;", "column 4: ':' belongs to no '?'"},
        {NULL, "__shared__ float t[8];",
         "column 1: '__shared__' is not declared; workgroup-shared arrays are declared in"},
        {NULL, "uint32_t i = 3u;",
         "column 1: 'uint32_t' is no word of the portable language; here it is called 'uint'"},
        {NULL, "float4 v;", "column 1: 'float4' is not declared; there are no vectors"},
        {NULL, "#pragma unroll\nx[0] = 1.0;", "column 1: there are no pragmas"},
        {NULL, "k[0] = 0b11;", "column 8: there are no binary numbers"},
        {NULL, "x[0] = 1.0h;", "column 8: there are no half numbers"},
        {NULL, "u[0] = min(n, 3);", "these are a uint and an int: cast one, or write 3u for 3"},
        {NULL, "malloc(8);", "there is no function 'malloc'"},
        {NULL, "memcpy(x[0], x[1], 8);", "there is no function 'memcpy'"},
        {NULL, "x[0] = sin(x);", "column 12: 'x' is a buffer"},
        {NULL, "abort();", "there is no function 'abort'"},
        {NULL, "x[0] = __builtin_frame_address(0);", "there is no function '__builtin_frame_address'"},
        {NULL, "k[0] = __LINE__;", "column 8: '__LINE__' is not declared"},
        {NULL, "float value = 1.0; x[0] = valeu;", "column 27: 'valeu' is not declared; do you mean 'value'?"},
        {NULL, "int i = 3; x[0] = i(2);", "column 19: 'i' is a variable and no function"},
        {"float f(float v) { return v; }", "x[0] = f;", "'f' is a helper function and is called with parentheses"},
        {NULL, "struct p { int v; };", "'struct' is no word"},
        {NULL, "static int i;", "'static' is no word"},
        {NULL, "k[0] = int(sizeof(int));", "'sizeof' is no word"},
        {NULL, "goto out;", "'goto' is no word"},
        {NULL, "asm(1);", "'asm' is no word"},
        {NULL, "int v __attribute__((used));", "'__attribute__' is no word"},
    };
    EXPECT_REFUSALS(cases);
}

static void conversion_that_is_not_everywhere_is_refused(void **state)
{
    static const refusal cases[] = {
        {NULL, "x[0] = (float)n;", "line 1, column 9: a cast is written float(value)"},
        {NULL, "x[0] = x[1.5];", "column 10: an index is an int or a uint, and this is a float"},
        {NULL, "int i = 1.5;", "column 9: what is stored here is an int, and this is a float: cast it with int(…)"},
        {NULL, "int i = n;", "and this is a uint: cast it with int"},
        {NULL, "k[0] = 1.5;", "column 8: what is stored here"},
        {NULL, "int i = 1; i += 1.5;", "column 17: what is stored here"},
        {NULL, "if (n) x[0] = 1.0;", "column 5: the condition is a bool, and this is a uint: compare it"},
        {NULL, "while (1) { }", "the condition is a bool"},
        {NULL, "bool b = n;", "what is stored here is a bool"},
        {NULL, "bool b = true; k[0] = b + 1;", "column 25: '+' does not take a bool and an int"},
        {NULL, "bool b = true; b = b & false;", "'&' does not take a bool and a bool"},
        {NULL, "x[0] = a % 2.0;", "column 10: '%' does not take a float and a float; it takes integers"},
        {NULL, "k[0] = !k[1];", "'!' does not take an int; it takes a bool"},
        {NULL, "x[0] = -true;", "'-' does not take a bool"},
        {NULL, "k[0] = n > 1u && n;", "'&&' does not take a bool and a uint"},
        {NULL, "x[0] = min(a, 2);", "the arguments of 'min' have one type, and these are a float and an int"},
        {NULL, "x[0] = sqrt(4);", "column 13: 'sqrt' takes floats or doubles, and this is an int"},
        {NULL, "x[0] = n > 1u ? 1.0 : true;", "the two values of '?' are a float and a bool"},
        {NULL, "x[0] = sqrt(1.0, 2.0);", "column 8: 'sqrt' takes 1 argument, not 2"},
        {"float f(int v) { return 1.0; }", "x[0] = f(n);", "column 10: this argument is an int, and this is a uint"},
        {"int f(float v) { return v; }", "x[0] = 1.0;",
         "header line 1, column 25: what this function returns is an int"},
        {"void f() { }", "x[0] = f();", "column 8: this function gives nothing"},
        {NULL, "k[0] = barrier();", "this function gives nothing"},
        {NULL, "x[0] = 1e39;", "column 8: this is over the largest float"},
        {NULL, "float t[2]; x[0] = t;", "column 20: this is an array"},
        {NULL, "float t[2], q[2]; t = q;", "column 19: this is an array"},
    };
    EXPECT_REFUSALS(cases);
}

static void statement_that_is_not_everywhere_is_refused(void **state)
{
    static const refusal cases[] = {
        {NULL, "float t[n];", "column 9: an array's size is a number from 1 to 1048576 that is known"},
        {NULL, "float t[0];", "column 9: an array's size"},
        {NULL, "float t[3] = {1.0, 2.0};", "column 14: this list has 2 values for 3 elements"},
        {NULL, "float t[3]; t[3] = 1.0;", "column 15: the index 3 is not within 0 to 2"},
        {NULL, "x[-1] = 1.0;", "column 3: the index -1 is below 0"},
        {NULL, "s[64] = 1u;", "the index 64 is not within 0 to 63"},
        {NULL, "float t[70000];", "have more than 262144 bytes in all"},
        {NULL, "float t[]; ", "an array without a size needs its values"},
        {NULL, "k[0] = 1 / (2 - 2);", "column 12: this divides by zero"},
        {NULL, "k[0] = 1; k[0] %= 0;", "column 19: this divides by zero"},
        {NULL, "k[0] = 1 << 32;", "column 13: an int is shifted by 0 to 31 bits"},
        {NULL, "u[0] = n >> -1;", "a uint is shifted by 0 to 31 bits"},
        {NULL, "int i = 1; i = i++;", "column 16: 'i' is changed and used again in one expression"},
        {NULL, "int i = 1; k[0] = i++ + i;", "'i' is changed and used again"},
        {NULL, "int i = 1; k[i] = i++;", "'i' is changed and used again"},
        {NULL, "int i = 1; k[0] = max(i++, i);", "'i' is changed and used again"},
        {NULL, "int i = 1; int w[2] = {i++, i};", "'i' is changed and used again"},
        {NULL, "int v = 1; { int v = v; }", "column 22: 'v' is used in its own first value"},
        {NULL, "for (int i = 0; i < 3; i++) { int i = 5; }", "column 35: there is a variable 'i' here already"},
        {NULL, "int i = 1; int i = 2;", "column 16: there is a variable 'i'"},
        {NULL, "const int i;", "what is const needs its value"},
        {NULL, "const int i = 1; i = 2;", "column 18: this is const"},
        {NULL, "if (n > 1u) int i = 3;", "column 13: a declaration stands in a block"},
        {NULL, "while (bool b = true) { }", "a type stands here where a value is wanted"},
        {NULL, "float const v = 1.0;", "'const' is a word of the language"},
        {NULL, "float[2] v;", "column 6: the name of a variable is missing"},
        {NULL, "float g(float v);", "column 7: functions stand in the header"},
        {NULL, "1 = k[0];", "nothing can be stored to what stands beside '='"},
        {NULL, "n > 1u ? k[0] = 1 : k[0] = 2;", "nothing can be stored to what stands beside '='"},
        {NULL, "x[0] = 1.0 x[1] = 2.0;", "column 12: ';' is missing before 'x'"},
        {NULL, "else x[0] = 1.0;", "this 'else' belongs to no 'if'"},
        {NULL, "x[0] = 'c';", "there are no strings and no character constants"},
        {NULL, "x[0] = 1.0; // a\rx[0] = foo;\nx[1] = bar;", "line 2, column 8: 'bar' is not declared"},
    };
    EXPECT_REFUSALS(cases);
}

static void header_mistake_is_named_with_its_line(void **state)
{
    static const char body[] = "x[0] = 1.0;";
    static const refusal cases[] = {
        {"\nfloat count = 1.0;", body, "header line 2, column 7: a variable of the header is const"},
        {"float t[2];", body, "a variable of the header is const"},
        {"float f(float v) {\n  return v;\n", body, "header line 1, column 18: '{' is never closed"},
        {"float f(float v) { return (v; }", body, "header line 1, column 31: '}' closes nothing"},
        {"\n#if FIVE > 1\nfloat f() { return 1.0; }", body, "header line 2, column 2: #if has no #endif"},
        {"#endif", body, "header line 1, column 2: #endif belongs to no #if"},
        {"#if 1\n#else\n#else\n#endif", body, "header line 3, column 2: #else belongs to no #if"},
        {"#if UNKNOWN\n#endif", body, "column 5: 'UNKNOWN' is neither a macro nor an integer specialisation value"},
        {"#if (FIVE\n#endif", body, "column 5: '(' is never closed"},
        {"#if FIVE >\n#endif", body, "a value is missing in this line"},
        {"#if 1 / 0\n#endif", body, "this divides by zero"},
        {"#ifdef\n#endif", body, "#ifdef has nothing behind it"},
        {"#define", body, "a macro's name is missing"},
        {"#define F(a", body, "the parameters of macro 'F' have no ')'"},
        {"#define F(a, a) a", body, "column 14: the macro has this parameter twice"},
        {"#define F(a) #a", body, "column 14: this character has no meaning"},
        {"#define F 1\n#define F 2", body, "header line 2, column 9: macro 'F' has another text already (line 1)"},
        {"#define while if", body, "column 9: 'while' is a word of the language"},
        {"#define x 3", body, "header line 1, column 9: 'x' is a name of the kernel: a macro needs another name"},
        {"float x(float v) { return v; }", body, "'x' is a parameter of the kernel: a helper function needs another"},
        {"const float a = 1.0;", body, "column 13: 'a' is a constant of the kernel"},
        {"float f(float FIVE) { return 1.0; }", body, "'FIVE' is a specialisation of the kernel"},
        {"float f() { return x[0]; }", body, "column 20: a helper function does not see 'x'; give it as an argument"},
        {"float f() { return a; }", body, "a helper function does not see 'a'"},
        {"float f(float v) { if (v > 1.0) return 2.0; }", body, "column 7: 'f' gives a float, but not every path"},
        {"float f(float v) { while (v > 1.0) { return 2.0; } }", body, "not every path through it ends in a return"},
        {"float f(float v) { return; }", body, "this function returns a value, and none stands here"},
        {"float f(float v[3]) { return v[0]; }", body, "column 15: a parameter is no array"},
        {"float f(float v) { float v = 1.0; return v; }", body, "there is a variable 'v' here already"},
        {"float f() { return 1.0; }\nint f(int v) { return v; }", body, "header line 2, column 5: there is a helper"},
        {"float g() { return f(); }\nfloat f() { return g(); }", body, "column 20: there is no function 'f'"},
        {"const float S = sqrt(2.0);", body, "a constant of the header is made of literals"},
        {"const int A = 1;\nconst int B = A;", body, "header line 2, column 15: a constant of the header"},
        {"float f() { return 1.0; };", body, "column 26: a header holds helper functions, const values and macros"},
        {"x[0] = 1.0;", body, "a header holds helper functions, const values and macros"},
        {"#define TWICE(v) (v + missing)", "x[1] = TWICE(2.0);",
         "line 1, column 8: 'missing' is not declared (in macro 'TWICE')"},
        {"#define TWICE(v) (v + v)", "x[1] = TWICE(1.0, 2.0);", "column 8: macro 'TWICE' takes 1 arguments, not 2"},
        {"#define TWICE(v) (v + v)", "x[1] = TWICE(1.0;", "the arguments of macro 'TWICE' have no ')'"},
        {"#define OPEN {", "OPEN x[0] = 1.0;", "line 1, column 1: '{' is never closed (in macro 'OPEN')"},
        {"#define A B(1)\n#define B(v) A", "x[0] = A;", "'A' is not declared (in macro 'A')"},
    };
    EXPECT_REFUSALS(cases);
}

static void text_that_is_taken_means_the_same_everywhere(void **state)
{
    static const result cases[] = {
        {NULL, "u[0] = 2147483647u + 2147483649u; k[0] = 2147483647; k[0] += 1; u[1] = uint(k[0]);", {0, 0x80000000}},
        {NULL,
         "int i = -1; u[0] = i < n ? 1u : 2u; u[1] = i + n; u[2] = -n; u[3] = ~n;",
         {2, 6, 0xFFFFFFF9, 0xFFFFFFF8}},
        {NULL,
         "u[0] = uint(-7 / 2); u[1] = uint(-8 >> 1); u[2] = 1u << n; u[3] = uint(int(-1.9));",
         {0xFFFFFFFD, 0xFFFFFFFC, 128, 0xFFFFFFFF}},
        {NULL,
         "int i = 5; u[0] = uint(i++ - 2); u[1] = uint(i); u[2] = uint(--i); u[3] = uint((i++, i));",
         {3, 6, 5, 6}},
        {NULL, "int i = 0; if (i++ == 0 && i == 1) u[0] = 7u; u[1] = i > 0 ? 3u : 4u;", {7, 3}},
        {NULL, "int v = 1; { int v = 2; u[0] = uint(v); } u[1] = uint(v);", {2, 1}},
        {NULL,
         "uint t[2][3] = {{1u, 2u, 3u}, {4u, 5u, 6u}}; u[0] = t[n & 1u][n % 3u]; uint q[] = {7, 8}; u[1] = q[1];",
         {5, 8}},
        {NULL, "float t[3] = {1, 2u, 3.0}; u[0] = uint(t[0] + t[1] * 10.0 + t[2] * 100.0);", {321}},
        {NULL, "bool c = n > 3u, d = c != true; u[0] = uint(c) + uint(d) * 2u; u[1] = bool(a) ? 1u : 2u;", {1, 1}},
        {NULL,
         "x[0] = n > 3u ? 1 : 2.5; u[0] = as_uint(x[0]); u[1] = as_uint(float(0xffffffffu));",
         {0x3F800000, 0x4F800000}},
        {NULL, "(u[0]) = 3u; u[1] = (u[2] = 5u) + 1u; u[3] = max(u[0], 9u);", {3, 6, 5, 9}},
        {NULL,
         "for (uint i = 0u, j = 3u; i < j; i++, j--) u[i] = j; for (;;) { break; } do u[2]++; while (u[2] < 4u);",
         {3, 2, 4}},
        {NULL, "// it's \"text\" /* here\nu[0] = 1u; /* \\ // */ u[1] = 2u; /* a\n'b */ u[2] = 3u;", {1, 2, 3}},
        {NULL, "u[0] = 1u; // GLSL ends lines with this, C does not: \ru[0] = 2u;\nu[1] = 3u;", {1, 3}},
        // Words, macros and functions of one target are names like any other.
        {NULL,
         "uint unix = 1u, linux = 2u, main = 4u, image2DArray = 8u, memcpy = 16u, __x = 32u, VULKAN = 64u;\n"
         "u[0] = unix + linux + main + image2DArray + memcpy + __x + VULKAN;",
         {127}},
        {NULL, "float exp = 1.0; exp = exp(exp); u[0] = uint(exp * 100.0);", {271}},
        {"uint memcpy(uint v) { return v + 1u; }\nuint main(uint v) { return v + 2u; }\nfloat sin(float v) { return "
         "42.0; }",
         "u[0] = memcpy(1u); u[1] = main(1u); u[2] = uint(sin(0.0));",
         {2, 3, 42}},
        {NULL, "h[0] = 3; h[0] += a; u[0] = uint(h[0] * 2.0);", {11}}, // a dtype that the dispatch chooses
    };
    EXPECT_RESULTS(cases);
}

// KEY-6: what a header may hold, each on every device.
static void header_holds_functions_constants_and_macros(void **state)
{
    static const result cases[] = {
        {"const uint TABLE[4] = {10u, 20u, 30u, 40u};\nconst uint N = 3u, M = FIVE + 1u;\n"
         "uint get(uint i) { return TABLE[i & 3u] + N; }\n",
         "uint t[FIVE]; t[FIVE - 1u] = M; u[0] = TABLE[n & 3u]; u[1] = get(1u); u[2] = t[4];",
         {40, 23, 6}},
        {"const int GRID[2][2] = {{1, -2}, {3, 4}};\nconst bool FLAGS[] = {true, false};\nconst float HALF = 1.0 / "
         "2;\n",
         "u[0] = uint(GRID[1][0] - GRID[0][n & 1u]); u[1] = FLAGS[n & 1u] ? 1u : 2u; u[2] = uint(HALF * 8.0);",
         {5, 2, 4}},
        {"#define SUM n + \\\r\n FIVE\r\n# /* x */ define TWO 2u // two \\\r\n not this\r\n#if 0\nit's \"no\" code "
         "@\n#endif\n",
         "u[0] = SUM; // \\\n u[1] = 9u;\nu[2] = \\\r\n TWO;\r\n",
         {12, 0, 2}},
        {"#define MAX(a, b) ((a) > (b) ? (a) : (b))\n#define NEG -1\n#define STORE(i, v) u[i] = v * n\n",
         "STORE(0u, 2u); int i = 3; u[1] = uint(i-NEG); u[2] = MAX(MAX(1u,\n 2u), 3u);",
         {14, 4, 3}}, // also parameters
        {"#define LOOP for (uint i = 0u; i < 4u; i++) { if (i == 2u) return; u[i] = i + 1u; }\n",
         "LOOP u[3] = 9u;",
         {1, 2}},
        {"#if FIVE > 4 && !defined(NOPE) && LESS == -3\n#define V 1u\n#elif FIVE > 3\n#define V 2u\n#else\n#define V "
         "3u\n"
         "#endif\n#ifdef __TINYC__\n#define W 1u\n#elif defined(VULKAN) || defined(GL_core_profile)\n#define W 2u\n"
         "#else\n#define W 3u\n#endif\n",
         "u[0] = V; u[1] = W;",
         {1, 3}}, // no target's own macros are seen
        {"#if 0\n)( \n#if what\n#endif\n#elif defined FIVE\n#define A(v) v\n#undef A\n#define A(v) (v + 1u)\n#endif\n"
         "#define E\n#define Z() 4u\n",
         "u[0] = A(2u) E; u[1] = Z();",
         {3, 4}},
        {"void f(uint v) { if (v > 3u) return; barrier(); }\nuint g(void) { for (;;) { return 6u; } }\n",
         "f(9u); u[0] = g();",
         {6}},
        {"float f(float x) { float n = 2.0; return x * n; }\n", "u[0] = uint(f(4.0));", {8}}, // names it does not see
    };
    EXPECT_RESULTS(cases);
}

// A call within a call is written out once: a target whose `min` names its arguments twice would not come to an end.
static void call_within_calls_is_compiled_once(void **state)
{
    char code[2000] = "u[0] = ";
    for (int i = 0; i < 60; i++) strcat(code, i % 2 ? "min(" : "max(");
    strcat(code, "n");
    for (int i = 0; i < 60; i++) strcat(code, i % 2 ? ", 3u)" : ", 9u)");
    strcat(code, ";");
    const result cases[] = {{NULL, code, {7}}};
    EXPECT_RESULTS(cases);
}

int ct_group_language(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(name_that_is_not_of_the_language_is_refused),  CT_TEST(conversion_that_is_not_everywhere_is_refused),
        CT_TEST(statement_that_is_not_everywhere_is_refused),  CT_TEST(header_mistake_is_named_with_its_line),
        CT_TEST(text_that_is_taken_means_the_same_everywhere), CT_TEST(header_holds_functions_constants_and_macros),
        CT_TEST(call_within_calls_is_compiled_once),
    };
    return cmocka_run_group_tests_name("language", tests, NULL, NULL);
}
