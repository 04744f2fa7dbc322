// fermata-bench: the command line and the table of suites. It measures nothing itself.
#include "suite.h"
#include "watch.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct suite {
    const char *name;
    const char *letters; // of the options that it takes beside those of all
    const char *summary;
    bench_result (*run)(const bench_options *options, report *results);
} suite;

static const suite suites[] = {
#define ENTRY(name, letters, summary) {#name, letters, summary, suite_##name},
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
            "  --device NAME    auto, host, vulkan, cuda, and vulkan:N, vulkan:TEXT or alike (default: auto)\n"
            "  --json FILE      also write the rows to FILE, an array of objects\n"
            "  --limit-s N      end with a report of who waits for what when a step takes longer: one repetition of\n"
            "                   threads and latency (default: %d), all of the other suites (default: %d)\n"
            "  --help           print this\n"
            "some suites only; others refuse them:\n"
            "  --with-driver    record: leave the driver's time in; otherwise a layer drops what reaches the driver\n"
            "  --batch LIST     record, threads: dispatches in a list or chain\n"
            "  --mode LIST      record, threads, latency: kinds of list, ways to wait, what runs beside\n"
            "  --work LIST      record, threads: parts, kernels\n"
            "  --threads LIST   threads: how many\n"
            "  --contender LIST threads, latency: who takes part beside Fermata, which always does\n"
            "  --time-ms N      threads, latency: milliseconds of one repetition\n"
            "  --repetitions N  record, threads, latency, transfer: of each case and contender\n"
            "  --budget-s N     threads: begin no further case after so long, and say how many were left out\n"
            "  --size N         compute: rows and columns of the matrices; transfer: MiB; may be given 8 times\n"
            "lists are separated by commas: --threads 1,8; an unknown name is answered with those that there are\n"
            "exit status: 0 good, 1 a check failed or a step took too long, 2 bad usage, 3 no such device\n",
            WATCH_STEP_S, WATCH_MOST_S);
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
    watch_open(results, options->limit_s);
    bench_result result = chosen->run(options, results);
    watch_close();
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

static const struct option known_options[] = {
    {"device", required_argument, NULL, 'd'},
    {"json", required_argument, NULL, 'j'},
    {"limit-s", required_argument, NULL, 'l'},
    {"with-driver", no_argument, NULL, 'w'},
    {"threads", required_argument, NULL, 't'},
    {"batch", required_argument, NULL, 'b'},
    {"mode", required_argument, NULL, 'm'},
    {"work", required_argument, NULL, 'k'},
    {"contender", required_argument, NULL, 'c'},
    {"time-ms", required_argument, NULL, 'i'},
    {"repetitions", required_argument, NULL, 'r'},
    {"budget-s", required_argument, NULL, 'u'},
    {"size", required_argument, NULL, 's'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

// Does the suite take all the options whose letters are in `given`? Otherwise says which it does not.
static bool takes_options(const suite *chosen, const char *given)
{
    for (const struct option *o = known_options; o->name; o++) {
        if (strchr(given, o->val) && !strchr("djl", o->val) && !strchr(chosen->letters, o->val)) {
            fprintf(stderr, "fermata-bench: suite %s does not take --%s; see --help\n", chosen->name, o->name);
            return false;
        }
    }
    return true;
}

// Takes one option; false: it is wrong.
static bool take_option(int option, bench_options *options, const char **json_path)
{
    switch (option) {
    case 'd': options->device = optarg; return true;
    case 'j': *json_path = optarg; return true;
    case 'l': return read_number("limit-s", optarg, WATCH_MOST_S, &options->limit_s);
    case 'w': options->with_driver = true; return true;
    case 't': options->threads = optarg; return true;
    case 'b': options->batch = optarg; return true;
    case 'm': options->mode = optarg; return true;
    case 'k': options->work = optarg; return true;
    case 'c': options->contender = optarg; return true;
    case 'i': return read_number("time-ms", optarg, 60000, &options->time_ms);
    case 'u': return read_number("budget-s", optarg, WATCH_MOST_S, &options->budget_s);
    case 's': return add_size(options, optarg);
    case 'r': return read_number("repetitions", optarg, BENCH_MOST_REPETITIONS, &options->repetitions);
    default: return false;
    }
}

int main(int argc, char **argv)
{
    bench_options options = {.device = "auto"};
    const char *json_path = NULL;
    char given[sizeof known_options / sizeof *known_options + 1] = ""; // letters, each once
    opterr = 0;                                                        // the sentences are ours
    for (int option; (option = getopt_long(argc, argv, ":", known_options, NULL)) != -1;) {
        if (option == 'h') {
            print_usage(stdout);
            return BENCH_GOOD;
        }
        if (option == '?' || option == ':') {
            fprintf(stderr,
                    option == ':' ? "fermata-bench: '%s' needs a value; see --help\n"
                                  : "fermata-bench: '%s' is no option; see --help\n",
                    argv[optind - 1]);
            return BENCH_USAGE;
        }
        if (!take_option(option, &options, &json_path)) {
            return BENCH_USAGE;
        }
        size_t length = strlen(given);
        given[length] = (char)(strchr(given, option) ? 0 : option);
    }
    if (optind + 1 != argc) {
        fprintf(stderr, "fermata-bench: one suite is wanted, not %d; see --help\n", argc - optind);
        print_suites(stderr);
        return BENCH_USAGE;
    }
    const suite *chosen = find_suite(argv[optind]);
    if (!chosen) {
        fprintf(stderr, "fermata-bench: there is no suite '%s'\n", argv[optind]);
        print_suites(stderr);
        return BENCH_USAGE;
    }
    return takes_options(chosen, given) ? (int)run(chosen, &options, json_path) : BENCH_USAGE;
}
