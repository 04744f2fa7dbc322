// fermata-bench: the command line and the table of suites. It measures nothing itself.
#include "suite.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct suite {
    const char *name;
    const char *summary;
    bench_result (*run)(const bench_options *options, report *results);
} suite;

static const suite suites[] = {
#define ENTRY(name, summary) {#name, summary, suite_##name},
    BENCH_SUITES(ENTRY)
#undef ENTRY
};

enum { SUITES = sizeof suites / sizeof suites[0] };

static void print_suites(FILE *out)
{
    fprintf(out, "suites:\n");
    for (size_t i = 0; i < SUITES; i++) {
        fprintf(out, "  %-10s %s\n", suites[i].name, suites[i].summary);
    }
}

static void print_usage(FILE *out)
{
    fprintf(out,
            "usage: fermata-bench SUITE [options]\n"
            "  --device NAME   auto, host, vulkan, vulkan:N or vulkan:TEXT (default: auto)\n"
            "  --json FILE     also write the rows to FILE, an array of objects\n"
            "  --with-driver   leave the driver's time in (record: otherwise a layer drops what reaches the driver)\n"
            "  --threads LIST --batch LIST --mode LIST --work LIST --contender LIST\n"
            "                  measure these only, separated by commas: --threads 1,8 --work tiny,80us; an unknown\n"
            "                  name is answered with those that there are. Fermata always takes part\n"
            "  --time-ms N     milliseconds of one repetition (threads, latency)\n"
            "  --repetitions N repetitions of each case and contender\n"
            "  --size N        compute: rows and columns of the matrices; may be given 8 times\n"
            "  --help          print this\n"
            "exit status: 0 good, 1 a check failed, 2 bad usage, 3 no such device\n");
    print_suites(out);
}

static const suite *find_suite(const char *name)
{
    for (size_t i = 0; i < SUITES; i++) {
        if (strcmp(name, suites[i].name) == 0) {
            return &suites[i];
        }
    }
    return NULL;
}

static bool add_size(bench_options *options, const char *text)
{
    char *end;
    unsigned long size = strtoul(text, &end, 10);
    if (*end || size < 1 || size > 32768 || options->size_count == BENCH_MOST_SIZES) {
        fprintf(stderr, "fermata-bench: --size wants a number from 1 to 32768, at most %d times, not '%s'\n",
                BENCH_MOST_SIZES, text);
        return false;
    }
    options->sizes[options->size_count++] = (uint32_t)size;
    return true;
}

static bench_result run(const suite *chosen, const bench_options *options, const char *json_path)
{
    report *results = report_create(json_path);
    if (!results) {
        return BENCH_USAGE;
    }
    bench_result result = chosen->run(options, results);
    if (!report_end(&results) && result == BENCH_GOOD) {
        result = BENCH_FAILED;
    }
    return result;
}

bool bench_wants(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
    }
    return !list;
}

bool bench_check_list(const char *option, const char *list, const char *const *names, uint32_t count)
{
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        size_t length = strcspn(at, ",");
        uint32_t i = 0;
        while (i < count && (strlen(names[i]) != length || strncmp(names[i], at, length) != 0)) {
            i++;
        }
        if (i == count) {
            fprintf(stderr, "fermata-bench: --%s does not know '%.*s'; there are:", option, (int)length, at);
            for (i = 0; i < count; i++) {
                fprintf(stderr, " %s", names[i]);
            }
            fprintf(stderr, "\n");
            return false;
        }
    }
    return true;
}

// A whole number from 1 to `most`.
static bool read_number(const char *option, const char *text, uint32_t most, uint32_t *out)
{
    char *end = NULL;
    unsigned long number = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || number < 1 || number > most) {
        fprintf(stderr, "fermata-bench: --%s takes a number from 1 to %u, not '%s'\n", option, most, text);
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

// Takes one option; false: it is wrong.
static bool take_option(int option, bench_options *options, const char **json_path)
{
    switch (option) {
    case 'd': options->device = optarg; return true;
    case 'j': *json_path = optarg; return true;
    case 'w': options->with_driver = true; return true;
    case 't': options->threads = optarg; return true;
    case 'b': options->batch = optarg; return true;
    case 'm': options->mode = optarg; return true;
    case 'k': options->work = optarg; return true;
    case 'c': options->contender = optarg; return true;
    case 'i': return read_number("time-ms", optarg, 60000, &options->time_ms);
    case 's': return add_size(options, optarg);
    case 'r': return read_number("repetitions", optarg, BENCH_MOST_REPETITIONS, &options->repetitions);
    default: print_usage(stderr); return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"device", required_argument, NULL, 'd'},
        {"json", required_argument, NULL, 'j'},
        {"with-driver", no_argument, NULL, 'w'},
        {"threads", required_argument, NULL, 't'},
        {"batch", required_argument, NULL, 'b'},
        {"mode", required_argument, NULL, 'm'},
        {"work", required_argument, NULL, 'k'},
        {"contender", required_argument, NULL, 'c'},
        {"time-ms", required_argument, NULL, 'i'},
        {"repetitions", required_argument, NULL, 'r'},
        {"size", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bench_options options = {.device = "auto"};
    const char *json_path = NULL;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (option == 'h') {
            print_usage(stdout);
            return BENCH_GOOD;
        }
        if (!take_option(option, &options, &json_path)) {
            return BENCH_USAGE;
        }
    }
    if (optind + 1 != argc) {
        print_usage(stderr);
        return BENCH_USAGE;
    }
    const suite *chosen = find_suite(argv[optind]);
    if (!chosen) {
        fprintf(stderr, "fermata-bench: there is no suite '%s'\n", argv[optind]);
        print_suites(stderr);
        return BENCH_USAGE;
    }
    return (int)run(chosen, &options, json_path);
}
