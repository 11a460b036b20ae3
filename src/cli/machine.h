/* Facts of this machine that decide how well a converter can be confined, for `doctor`. */
#ifndef BF_CLI_MACHINE_H
#define BF_CLI_MACHINE_H

#include <stdbool.h>

struct machine_facts {
    int landlock_abi;     /* 0: the kernel has none, or it is switched off */
    bool seccomp;         /* filters can be set */
    bool user_namespaces; /* an ordinary process may make one (tried, not guessed) */
    bool cgroup;          /* version 2, with the memory controller, and a group we may divide */
};

void machine_look(struct machine_facts *facts_r);

#endif
