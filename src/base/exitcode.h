/* Exit statuses of blobforge, blobforged and pdf2md: sysexits(3) where they fit, our own from 80.
 * Scripts and service units rely on these numbers; they do not change. */
#ifndef BF_BASE_EXITCODE_H
#define BF_BASE_EXITCODE_H

enum exitcode {
    EXITCODE_OK = 0,
    EXITCODE_PARTIAL = 1,      /* something asked for was not done */
    EXITCODE_USAGE = 64,       /* the command line makes no sense */
    EXITCODE_DATAERR = 65,     /* damaged record or document */
    EXITCODE_NOINPUT = 66,     /* input cannot be opened */
    EXITCODE_UNAVAILABLE = 69, /* store cannot be reached; converter: unsupported document */
    EXITCODE_SOFTWARE = 70,    /* our bug */
    EXITCODE_OSERR = 71,       /* a system call was refused */
    EXITCODE_CANTCREAT = 73,   /* output cannot be created */
    EXITCODE_IOERR = 74,       /* I/O error, disk full */
    EXITCODE_TEMPFAIL = 75,    /* try again later */
    EXITCODE_LIMIT = 76,       /* converter: its own limit reached */
    EXITCODE_NOPERM = 77,      /* refused: key, permission; converter: password */
    EXITCODE_CONFIG = 78,      /* configuration */
    EXITCODE_RUNNING = 80,     /* the instance runs already */
    EXITCODE_GATE = 81,        /* store refused by the gate */
    EXITCODE_INTERRUPTED = 130 /* Ctrl-C */
};

#endif
