// The command line. See options.h.
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SEQUENCES = 1024, MOST_TOKENS = 1000000, MOST_SECONDS = 1000000 };

static const float most_temperature = 1000.0f;

const char *options_usage(void)
{
    return "usage: decode [options]\n"
           "  --model FILE        a llama2.c checkpoint (default: the bundled model)\n"
           "  --tokenizer FILE    its llama2.c tokenizer (default: bytes are tokens)\n"
           "  --prompt TEXT       what to continue; several take turns (default: the bundled prompts)\n"
           "  --tokens N          tokens to generate in each sequence, 1 to 1000000 (default: 200)\n"
           "  --sequences N       sequences at once, each on its own thread, 1 to 1024 (default: 8)\n"
           "  --temperature X     0 is greedy, higher is more random, up to 1000 (default: 0)\n"
           "  --seed N            of the random choices (default: 1)\n"
           "  --kv f32|q8         how keys and values are kept (default: f32)\n"
           "  --device NAME       auto, host, vulkan, cuda, and vulkan:N, vulkan:TEXT or alike (default: auto)\n"
           "  --soak SECONDS      run all sequences again and again, and report how resident memory grows; 1 to "
           "1000000\n"
           "  --destroy-late      keep temporaries until their token is done (default: destroy them in flight)\n"
           "  --json              print one JSON object\n"
           "  --help              print this\n"
           "exit status: 0 good, 1 a check or the run failed, 2 bad input, 3 no such device\n";
}

static bool read_whole(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    *out = value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && value >= least && value <= most;
}

static bool read_temperature(const char *text, float *out)
{
    char *end = NULL;
    *out = strtof(text, &end);
    return end != text && *end == '\0' && *out >= 0.0f && *out <= most_temperature; // not a number is in no range
}

static bool take_option(options *o, int name, const char *value)
{
    uint64_t number = 0;
    bool good = true;
    switch (name) {
    case 'm': o->model_path = value; break;
    case 't': o->tokenizer_path = value; break;
    case 'p': o->prompts[o->prompt_count++] = value; break;
    case 'n':
        good = read_whole(value, 1, MOST_TOKENS, &number);
        o->token_count = (uint32_t)number;
        break;
    case 'b':
        good = read_whole(value, 1, MOST_SEQUENCES, &number);
        o->sequence_count = (uint32_t)number;
        break;
    case 'x': good = read_temperature(value, &o->temperature); break;
    case 's': good = read_whole(value, 0, UINT64_MAX, &o->seed); break;
    case 'k':
        o->quantise_kv = strcmp(value, "q8") == 0;
        good = o->quantise_kv || strcmp(value, "f32") == 0;
        break;
    case 'd': o->device_name = value; break;
    case 'o':
        good = read_whole(value, 1, MOST_SECONDS, &number);
        o->soak_seconds = (uint32_t)number;
        break;
    case 'l': o->destroys_late = true; break;
    case 'j': o->json = true; break;
    case 'h': o->help = true; break;
    default: good = false;
    }
    return good;
}

// What the option takes, for the sentence about what it does not.
static const char *range_of(int name)
{
    switch (name) {
    case 'n': return "a whole number from 1 to 1000000";
    case 'b': return "a whole number from 1 to 1024";
    case 'x': return "a number from 0 to 1000";
    case 's': return "a whole number from 0 to 18446744073709551615";
    case 'k': return "f32 or q8";
    default: return "a whole number of seconds from 1 to 1000000";
    }
}

bool options_parse(int argc, char **argv, options *out, failure *f)
{
    static const struct option known[] = {
        {"model", required_argument, NULL, 'm'},
        {"tokenizer", required_argument, NULL, 't'},
        {"prompt", required_argument, NULL, 'p'},
        {"tokens", required_argument, NULL, 'n'},
        {"sequences", required_argument, NULL, 'b'},
        {"temperature", required_argument, NULL, 'x'},
        {"seed", required_argument, NULL, 's'},
        {"kv", required_argument, NULL, 'k'},
        {"device", required_argument, NULL, 'd'},
        {"soak", required_argument, NULL, 'o'},
        {"destroy-late", no_argument, NULL, 'l'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *out = (options){.token_count = 200, .sequence_count = 8, .seed = 1, .device_name = "auto"};
    out->prompts = calloc((size_t)argc + 1, sizeof *out->prompts);
    if (!out->prompts) {
        return failure_set(f, EXIT_STATUS_FAILED, "no memory for the prompts");
    }
    opterr = 0; // the sentences are ours
    int name, index = 0;
    while ((name = getopt_long(argc, argv, ":", known, &index)) != -1) {
        if (name == '?' || name == ':') {
            return failure_set(f, EXIT_STATUS_BAD_INPUT,
                               name == ':' ? "'%s' needs a value" : "'%s' is no option; see --help", argv[optind - 1]);
        }
        if (!take_option(out, name, optarg)) {
            return failure_set(f, EXIT_STATUS_BAD_INPUT, "--%s takes %s, not '%s'", known[index].name, range_of(name),
                               optarg);
        }
    }
    if (optind < argc) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT, "'%s' is no option; see --help", argv[optind]);
    }
    return true;
}

void options_destroy(options *o)
{
    free((void *)o->prompts);
    *o = (options){0};
}
