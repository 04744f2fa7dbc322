// Labels of a list: a stack of names in the list's arena. A command points to the innermost one's path.
// Written by the list's owner while it records; read by backends until the list is retired.
#ifndef FMI_RECORD_LABEL_H
#define FMI_RECORD_LABEL_H

typedef struct fmi_label {
    struct fmi_label *outer;
    char path[]; // "outer/inner", ends in a zero byte
} fmi_label;

#endif
