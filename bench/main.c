// fermata-bench: the command line and the table of suites. It measures nothing itself.
#include "suite.h"

#include <getopt.h>
#include <stdio.h>
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

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"device", required_argument, NULL, 'd'},
        {"json", required_argument, NULL, 'j'},
        {"with-driver", no_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bench_options options = {.device = "auto"};
    const char *json_path = NULL;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (option) {
        case 'd': options.device = optarg; break;
        case 'j': json_path = optarg; break;
        case 'w': options.with_driver = true; break;
        case 'h': print_usage(stdout); return BENCH_GOOD;
        default: print_usage(stderr); return BENCH_USAGE;
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
