/* Names on a file system that takes different bytes for one name: folded case, or normal forms (rule E15). */
#ifndef SLUICE_SPELLING_H
#define SLUICE_SPELLING_H

/* Whether a directory lists a name that was found in it byte for byte. Returns 0, EEXIST when it does not, or errno. */
int spelling_check(int directory, const char *name);

#endif
