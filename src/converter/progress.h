/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Progress lines down the descriptor named by BLOBFORGE_PROGRESS_FD: blobforge-converter(7).
 */
#ifndef CONVERTER_PROGRESS_H
#define CONVERTER_PROGRESS_H

#include <stdint.h>

/* Reads BLOBFORGE_PROGRESS_FD; without it all calls do nothing. */
void progress_open(void);
void progress_pages(uint32_t total);
void progress_page(uint32_t done);
void progress_stage(const char *word);
/* Milliseconds until nothing will have been said for 0.8 s: 0 when a line is due. Whoever sleeps,
 * sleeps no longer. Without a descriptor 800. */
int64_t progress_due_ms(void);
/* Says the stage again when a line is due; cheap enough to be called for every page. */
void progress_alive(const char *word);
/* One line of our own text; control characters are not passed on. */
void progress_warn(const char *text);

#endif
