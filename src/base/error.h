// The calling thread's last error, as data until it is read: status, call, subject, cause. Public as fm_last_error,
// which joins them to one full sentence: "fm_dispatch: kernel 'axpy': it does not compile". Set by every layer through
// fmi_fail. A lower room knows the cause, one above it the subject, the public function the call; each adds its own,
// and nobody takes a sentence apart. Each thread has its own, so nothing here is shared.
#ifndef FMI_BASE_ERROR_H
#define FMI_BASE_ERROR_H

#include <fermata/status.h>

typedef struct fmi_error_state {
    fm_status status;
    // The public function that was called; "" until it is known.
    char call[48];
    // What of the call it is about, outermost first: "source", "kernel 'axpy'"; "" where the cause says all.
    char subject[336];
    // The sentence's end.
    char cause[3700];
} fmi_error_state;

enum { FMI_SENTENCE_BYTES = sizeof(fmi_error_state) + 8 }; // all of them, joined

// Sets the error and returns `status`: a cause, without call and subject.
fm_status fmi_fail(fm_status status, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

// The same where the call is known: `return fmi_fail_in("fm_x", FM_ERROR_…, …);`.
fm_status fmi_fail_in(const char *call, fm_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

// The same where the object that it is about is known: the subject is "noun 'name'".
fm_status fmi_fail_of(const char *noun, const char *name, fm_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

// Sets the status's own text as the cause: for answers that are asked for often, where formatting would cost more than
// the question.
fm_status fmi_answer(fm_status status);

// Names the public function that was called, in place of another: one that is made of others answers for itself.
void fmi_error_in(const char *call) __attribute__((cold));

// Puts a subject in front of those that there are.
void fmi_error_about(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

// Adds to the cause what a room above knows more of it.
void fmi_error_more(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

// Gives the error another status, and returns it: the same cause, as somebody else's answer.
fm_status fmi_error_as(fm_status status) __attribute__((cold));

// Subject and cause, without the call, as one text: for what is told to somebody other than the caller.
void fmi_error_describe(char *out, size_t size_bytes) __attribute__((cold));

// Keeps the calling thread's error while work is done that is not the caller's own: what that work reports goes
// elsewhere, and a call that succeeds leaves the last error as it was.
void fmi_error_save(fmi_error_state *state);
void fmi_error_restore(const fmi_error_state *state);

#endif
