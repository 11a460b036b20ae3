/* A pager between standard output and the person, as git(1) does it. */
#ifndef BF_CLI_PAGER_H
#define BF_CLI_PAGER_H

/* On a terminal: starts $PAGER (default less) and sends standard output through it. Elsewhere, or
 * with PAGER empty or cat, nothing happens. Ctrl-C is the pager's from then on. */
void pager_begin(void);
/* Waits until the person has left it. */
void pager_end(void);

#endif
