// What the command line asks for. Knows nothing of models or devices.
#ifndef DECODE_OPTIONS_H
#define DECODE_OPTIONS_H

#include "failure.h"

#include <stddef.h>
#include <stdint.h>

typedef struct options {
    const char *model_path;     // borrowed from argv; NULL: the bundled model
    const char *tokenizer_path; // borrowed from argv; NULL: bytes are tokens
    const char **prompts;       // owned array of strings borrowed from argv
    size_t prompt_count;        // 0: those of the bundled gold file
    uint32_t token_count;       // to generate, a sequence
    uint32_t sequence_count;
    float temperature; // 0: greedy
    uint64_t seed;
    bool quantise_kv;        // keys and values as 8-bit numbers
    bool destroys_late;      // temporaries live until the wait for their token
    uint32_t soak_seconds;   // run all sequences again and again for so long; 0: once
    const char *device_name; // borrowed from argv
    bool json;
    bool help; // print the usage and nothing else
} options;

// Reads the command line. What cannot be understood is a bad input. The result is to be destroyed in either case.
bool options_parse(int argc, char **argv, options *out, failure *f);

void options_destroy(options *o);

// The text that --help prints.
const char *options_usage(void);

#endif
