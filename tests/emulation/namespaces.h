/* Network namespaces and the TUN device in each. See link.c. */
#ifndef NAMESPACES_H
#define NAMESPACES_H
#include <sys/types.h>

enum { MTU = 1500, NOT_PERMITTED = 3 };

/* Print a message with the reason of errno and end with this code. */
void fail(int code, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
/* End when the parent ends; `parent` is who it was, should it have ended already. */
void die_with(pid_t parent);
/* Move into a new network namespace; 1: inside a new user namespace as well. */
int unshare_user(void);
/* Make the TUN device of the present namespace, with this address; return its file. */
int make_device(const char *host, const char *control);
/* Run a command in a namespace: USER NET COMMAND... */
int enter(char **words);
#endif
