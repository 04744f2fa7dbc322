// Labels of a list: a stack of names in the list's arena. A command points to the innermost one's path.
// Written by the list's owner while it records; read by backends until the list is retired.
// A path is short, so that a group costs about its own name however many are open: of a longer one the innermost groups are kept.
#ifndef FMI_RECORD_LABEL_H
#define FMI_RECORD_LABEL_H

enum { FMI_LABEL_PATH_BYTES = 255 }; // longest path of several groups; a single name may be longer

typedef struct fmi_label {
    struct fmi_label *outer;
    char path[]; // "outer/inner", or ".../inner" where the whole path is too long; ends in a zero byte
} fmi_label;

#endif
