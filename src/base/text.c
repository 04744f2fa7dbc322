// Growing text. See text.h.
// Not thread-safe; one owner.
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(fmi_text *text, size_t more)
{
    if (text->failed) {
        return false;
    }
    size_t need = text->length + more + 1;
    if (need <= text->capacity) {
        return true;
    }
    size_t capacity = text->capacity ? text->capacity : 256;
    while (capacity < need) {
        capacity *= 2;
    }
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void fmi_text_append(fmi_text *text, const char *bytes, size_t length)
{
    if (!reserve(text, length)) {
        return;
    }
    if (length > 0) { // nothing may be at NULL
        memcpy(text->data + text->length, bytes, length);
    }
    text->length += length;
    text->data[text->length] = 0;
}

void fmi_text_format(fmi_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length >= 0 && reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

void fmi_text_append_real(fmi_text *text, double value)
{
    char digits[40];
    snprintf(digits, sizeof digits, "%.16e", value);
    size_t whole = (size_t)(digits[0] == '-') + 1;
    const char *fraction = strpbrk(digits + whole, "0123456789"); // behind the locale's point
    fmi_text_append(text, digits, whole);
    fmi_text_format(text, ".%s", fraction);
}

const char *fmi_text_get(const fmi_text *text)
{
    return text->data ? text->data : "";
}

void fmi_text_free(fmi_text *text)
{
    free(text->data);
    *text = (fmi_text){0};
}
