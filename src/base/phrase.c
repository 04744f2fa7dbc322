// Pieces of sentences. See phrase.h.
// No state.
#include "base/phrase.h"

#include <stdio.h>

fmi_phrase fmi_named(const char *noun, const char *label)
{
    fmi_phrase phrase;
    if (label && *label) {
        snprintf(phrase.text, sizeof phrase.text, "%s '%.*s'", noun, FMI_MOST_LABEL, label);
    } else {
        snprintf(phrase.text, sizeof phrase.text, "an unlabelled %s", noun);
    }
    return phrase;
}

fmi_phrase fmi_number(uint64_t number)
{
    fmi_phrase phrase;
    if (fmi_is_negative(number)) {
        snprintf(phrase.text, sizeof phrase.text, "-%llu", (unsigned long long)(0 - number));
    } else {
        snprintf(phrase.text, sizeof phrase.text, "%llu", (unsigned long long)number);
    }
    return phrase;
}
