// Fermata: GPU compute submission for C, in which nothing is freed too early, read too early or forgotten.
// Include this one; there is one header per object beneath it.
// Tags in comments, such as HOLD-1, are rules: requirements.md and invariants.md say which, and kernel-language.md describes the kernel
// language. All are in docs/ of the source and in share/doc/fermata of an installation.
#ifndef FERMATA_FERMATA_H
#define FERMATA_FERMATA_H

#include <fermata/buffer.h>
#include <fermata/commands.h>
#include <fermata/device.h>
#include <fermata/kernel.h>
#include <fermata/status.h>
#include <fermata/stream.h>

#endif
