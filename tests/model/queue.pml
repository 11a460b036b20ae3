/* One job in one bucket: marker T, lock L, failed record F, dead record D, result O.
 *
 * Explores every interleaving, store call by store call, of workers, janitors, a user, a v1 peer and the network.  A
 * request may
 *   - be done and answered,
 *   - be done with its answer lost,
 *   - be lost,
 *   - be delayed: its sender sees a lost answer, and it is done at any later time (or never).
 * An ETag is modelled as what it is on S3: a function of the content (so ABA is possible).
 *
 * Variants (spin -D...):
 *   CONDDEL=1 the store honours DELETE If-Match;  0: it does not
 *   EXPDEL=1  it does not, but refuses a DELETE that is signed to expire once it is late
 *   PAUSE=1   a lock may be taken over at any moment (its owner is paused, its clock is wrong): no clock, no lease
 *             and no bound on a pause is assumed;  0: only when its owner is dead or has given up
 *   RENEW=1   holders renew their lock while they convert;  REGAIN=1  and make it again after a stray delete
 *   AMB=n     at most n unclear answers in a run;  CRASH=n at most n crashes
 *   WORKERS, JANITORS, MAXR (max_retries), NCLAIM (claim ids to spend)
 *   USER=1    a user retries a dead job;  2: asks for a reconversion;  3: a second ingest of the file;
 *             4: cancels it, queued or running
 *   V1=1      one v1 worker and one v1 janitor join (unconditional writes): then only promise 1 is checked
 *   AUDIT=1   a hash without any state is queued again; then only "lost at the end" counts
 *
 * Mutations: one rule of the protocol taken out each (-DM_...); README.md names the rule and who catches it.
 */
#ifndef CONDDEL
#define CONDDEL 0
#endif
#ifndef EXPDEL
#define EXPDEL 0
#endif
#ifndef PAUSE
#define PAUSE 1
#endif
#ifndef RENEW
#define RENEW 0
#endif
#ifndef REGAIN
#define REGAIN 0
#endif
#ifndef AMB
#define AMB 1
#endif
#ifndef CRASH
#define CRASH 1
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef JANITORS
#define JANITORS 1
#endif
#ifndef MAXR
#define MAXR 1
#endif
#ifndef NCLAIM
#define NCLAIM 5
#endif
#ifndef USER
#define USER 0
#endif
#ifndef V1
#define V1 0
#endif
#ifndef AUDIT
#define AUDIT 0
#endif

#define OK  1
#define PRE 2
#define UNK 3

#define L_INM 1
#define L_CAS 2
#define L_DEL 3
#define T_PUT 4
#define T_CAS 5
#define T_INM 6
#define T_DEL 7
#define F_PUT 8
#define F_DEL 9
#define D_PUT 10
#define D_DEL 11
#define O_INM 12
#define O_CAS 13
#define O_PUT 14
#define O_DEL 15
#define L_PUT 16
#define D_INM 17
#define D_CAS 18

/* marker content: 0 = absent, else 1 + retries + 8*charged claim + 64*over */
#define MK(r,ch,ov) (1 + (r) + 8*(ch) + 64*(ov))
#define RET(t)  (((t)-1) & 7)
#define CHG(t)  ((((t)-1) >> 3) & 7)
#define OVER(t) ((((t)-1) >> 6) & 1)
/* One bit stands for both of `over`: only a reconversion names a result, only a retry a dead record. */
#define OVERO(t) (USER == 2 && OVER(t))
#define OVERD(t) (USER != 2 && OVER(t))
/* lock content: 0 = absent, else claim + 8*claim it was first taken from + 64*beat (parity) + 128*cancel mark */
#define CLM(l)    ((l) & 7)
#define FROM(l)   (((l) >> 3) & 7)
#define ORIG(l)   (FROM(l) -> FROM(l) : CLM(l))
#define BEAT(l)   ((l) ^ 64)
#define MARKED(l) ((l) & 128)

/* A DELETE that expires takes effect only while its sender's claim holds the lock: it is dated by evidence seen under
 * the lock, and a takeover comes later than any expiry.  That holds because a lock is released only when every DELETE
 * sent under it is answered or has expired; M_RELPEND takes that rule out. */
#ifdef M_RELPEND
#define HELD(b) (!(gone & (1 << (b))))
#define RELEASED
#else
#define HELD(b) (CLM(L) == (b) && !(gone & (1 << (b))))
#define RELEASED | (EXPDEL && L -> 1 << CLM(L) : 0)
#endif

byte T = 1, L, F, D, O;
byte amb = AMB, crash = CRASH, nclaim = 1;
bool lt; byte lop, la, lb;              /* one delayed request */
byte gone;                               /* bit c: claim c was taken over or released: its DELETEs have expired */
byte taken;                              /* bit c: claim c's lock was taken over */
byte deadc;                              /* bit c: owner of claim c is dead or gave up */
byte hi;                                 /* highest count seen */
byte claims;                             /* worker locks that came into being */
byte runs;                               /* converter starts */
byte free;                               /* runs that were rightly not charged */
byte accepted;                           /* results that the store accepted */
byte wishes = 1;                         /* results asked for: one, and one more per reconversion */
bool userdid;

inline checks() {
#if AUDIT == 0
    assert(T || F || D || O);                          /* 1: in some state at every instant */
#endif
    if
    :: V1 == 0 -> assert(accepted <= wishes)           /* 2: one accepted result per wish */
    :: else
    fi;
    if
    :: T && V1 == 0 && !userdid ->
       assert(RET(T) >= hi); hi = RET(T);              /* 4: counts never fall */
       assert(RET(T) <= claims)                        /*    and no attempt is charged twice */
    :: else
    fi
}

inline apply(op, a, b, res) {
    d_step {
        res = OK;
        if
        :: op == L_INM -> if :: L == 0 -> L = a; claims++ :: else -> res = PRE fi
        :: op == L_CAS ->
           if
           :: L && L == a ->
              taken = (CLM(L) != CLM(b) -> taken | (1 << CLM(L)) : taken);
              gone = (EXPDEL && CLM(L) != CLM(b) -> gone | (1 << CLM(L)) : gone); L = b
           :: else -> res = PRE
           fi
        :: op == L_PUT ->
           assert(V1 || CLM(L) == CLM(a));             /* rule: only a lock's owner renews it */
           L = a
        :: op == L_DEL -> if :: CONDDEL && a && L != a -> res = PRE :: else -> gone = gone RELEASED; L = 0 fi
        :: op == T_PUT -> T = a
        :: op == T_CAS -> if :: T && T == a -> T = b :: else -> res = PRE fi
        :: op == T_INM -> if :: T == 0 -> T = a :: else -> res = PRE fi
        :: op == T_DEL -> if :: CONDDEL && a && T != a -> res = PRE :: EXPDEL && b && !HELD(b) -> res = PRE :: else -> T = 0 fi
        :: op == F_PUT -> F = a
        :: op == F_DEL -> F = 0
        :: op == D_PUT -> D = a
        :: op == D_INM -> if :: D == 0 -> D = a :: else -> res = PRE fi
        :: op == D_CAS -> if :: D == a -> D = b :: else -> res = PRE fi
        :: op == D_DEL -> if :: CONDDEL && a && D != a -> res = PRE :: EXPDEL && b && !HELD(b) -> res = PRE :: else -> D = 0 fi
        :: op == O_INM -> if :: O == 0 -> O = a; accepted++ :: else -> res = PRE fi
        :: op == O_CAS -> if :: O == a -> O = b; accepted++ :: else -> res = PRE fi
        :: op == O_PUT -> O = a; accepted++
        :: op == O_DEL -> O = 0
        fi;
        checks()
    }
}

inline send(op, a, b, res) {
    if
    :: apply(op, a, b, res)
    :: atomic { amb > 0 -> amb--; apply(op, a, b, res); res = UNK }
    :: d_step { amb > 0 -> amb--; res = UNK }
    :: d_step { amb > 0 && !lt -> amb--; res = UNK; lt = 1; lop = op; la = a; lb = b }
    fi
}
/* repeat until there is an answer */
inline sure(op, a, b, res) {
    send(op, a, b, res);
    do
    :: res == UNK -> send(op, a, b, res)
    :: else -> break
    od
}

/* bury: a dead record stands that the marker does not name */
inline bury(e, res) {
#ifdef M_UNCONDD
    sure(D_PUT, 1 + OVERD(e), 0, res)
#else
    do
    :: D == 0 -> sure(D_INM, 1 + OVERD(e), 0, res)
    :: OVERD(e) && D == 1 -> sure(D_CAS, 1, 2, res)
    :: D && !(OVERD(e) && D == 1) -> break
    od
#endif
}

active proctype Net() {
    byte x;
    do
    :: atomic { lt -> lt = 0; apply(lop, la, lb, x); lop = 0; la = 0; lb = 0; x = 0 }
    od
}

#define MAYCRASH if :: true :: atomic { crash > 0 -> crash--; deadc = deadc | (1 << c); goto idle } fi

/* A master's slot.  c: its claim;  l: the lock as last known (its ETag);  e: the marker as read. */
proctype Worker() {
    byte c, e, l, x, res;
idle:
    atomic { c = 0; e = 0; l = 0; x = 0; res = 0 }
end:
    T != 0;                                            /* LIST, maybe old by now */
    atomic { nclaim < NCLAIM -> c = nclaim; nclaim++; l = c }
    send(L_INM, l, 0, res);
    if
    :: res == PRE -> goto idle
    :: res == OK
    :: res == UNK -> atomic { if :: CLM(L) == c -> l = L :: else -> deadc = deadc | (1 << c); goto idle fi }
    fi;
    MAYCRASH;
#ifdef M_NOREAD
    e = 1;
#else
    e = T;                                             /* GET marker */
#endif
    if :: e == 0 -> goto release :: else fi;
#ifndef M_OWNCHARGE
    if :: CHG(e) == c -> goto idle :: else fi;          /* charged for this very claim: the lock was taken over */
#endif
#ifdef M_NOHEAD
    assert(!(O && !(OVERO(e) && O == 1)));              /* 6: a finished job is not converted again */
#else
#ifdef M_ERRABSENT
    /* the HEAD was answered with an error, and that was taken for "not there" */
    if :: true -> assert(!(O && !(OVERO(e) && O == 1))) :: O && !(OVERO(e) && O == 1) -> goto finish fi;
#else
    if
    :: O && !(OVERO(e) && O == 1) -> goto finish         /* HEAD result: a leftover marker */
    :: else
    fi;
#endif
#endif
    if
    :: (RET(e) > 0 || OVER(e)) && D && !(OVERD(e) && D == 1) -> goto finish       /* HEAD dead, only for a marker with a past */
    :: else
    fi;
    d_step { runs++; if :: V1 == 0 && USER == 0 && CONDDEL -> assert(runs <= MAXR + 1 + free) :: else fi }
    MAYCRASH;
#if RENEW
    /* One heartbeat, which may also bring a cancel mark to light. */
#ifdef M_UNCONDRENEW
    sure(L_PUT, BEAT(l), 0, res);
    l = BEAT(l);
#else
    send(L_CAS, l, BEAT(l), res);
    if
    :: res == OK -> l = BEAT(l)
    :: else ->                                         /* 412, or no answer: read back */
       atomic {
           if
           :: L && CLM(L) == c -> l = L                /* ours: a late beat, or a mark */
           :: L && CLM(L) != c -> goto idle            /* another's: lost; nothing is written */
           :: L == 0 -> x = 1
           fi
       }
#if REGAIN
       if
       :: x && T == e -> send(L_INM, l, 0, res); x = 0; /* a stray delete hit us: make it again, look once more */
          if :: CLM(L) == c && T == e -> l = L :: else -> goto idle fi
       :: x && T != e -> goto idle
       :: else
       fi
#else
       if :: x -> goto idle :: else fi
#endif
    fi;
    x = 0;
#endif
    if :: MARKED(l) -> goto cancelled :: else fi;
#endif
    if
    :: goto succeed
    :: goto fail
    :: atomic { free < 1 -> free++; goto release }          /* drain: given back, uncharged */
    fi;
succeed:
#ifdef M_DELBEFORE
    sure(T_DEL, e, c, res);
#endif
#ifdef M_UNCONDO
    sure(O_PUT, 1, 0, res);
#else
    if
#ifdef M_412ISDONE
    :: OVER(e) -> sure(O_CAS, 1, 2, res)                /* and takes its 412 for a result */
#else
    :: OVERO(e) && O == 1 -> sure(O_CAS, 1, 2, res)
#endif
    :: else -> sure(O_INM, 1 + OVERO(e), 0, res)
    fi;
#ifndef M_412ISDONE
    if :: O -> skip :: else -> goto succeed fi;         /* a 412 does not prove that a result is there: read */
#endif
#endif
    MAYCRASH;
finish:
    sure(T_DEL, e, c, res);
    if :: F -> sure(F_DEL, 0, 0, res) :: else fi;
    MAYCRASH;
    goto release;
cancelled:
    bury(e, res);
    MAYCRASH;
    sure(T_DEL, e, c, res);
    goto release;
fail:
    if
    :: D && !(OVERD(e) && D == 1) -> goto finish         /* dead already: a late marker */
    :: else
    fi;
    if
    :: RET(e) >= MAXR -> bury(e, res); MAYCRASH; sure(T_DEL, e, c, res)
    :: else ->
#ifdef M_UNCONDT
       sure(T_PUT, MK(RET(e) + 1, c, OVER(e)), 0, res);
#else
       do
       :: send(T_CAS, e, MK(RET(e) + 1, c, OVER(e)), res);
          if
          :: res == OK -> break
          :: res == PRE -> goto release
          :: res == UNK -> x = T; if :: x == e -> x = 0 :: else -> x = 0; break fi
          fi
       od
#endif
    fi;
    MAYCRASH;
release:
    sure(L_DEL, l, 0, res);
    goto idle
}

#define STALE(l) (PAUSE || (deadc & (1 << CLM(l))))

proctype Janitor() {
    byte l, c, e, o, res;
idle:
    atomic { l = 0; c = 0; e = 0; o = 0; res = 0 }
end:
    atomic { L && STALE(L) && nclaim < NCLAIM -> l = L; c = nclaim; nclaim++ }
    o = ORIG(l);
#ifdef M_NOTAKEOVER
    /* charges and deletes without having taken the lock over */
#else
    send(L_CAS, l, c + 8*o, res);
    if
    :: res == OK
    :: res == PRE -> goto idle
    :: res == UNK -> atomic { if :: L == c + 8*o :: else -> deadc = deadc | (1 << c); goto idle fi }
    fi;
#endif
    MAYCRASH;
again:
    e = T;
    if
    :: O && !(e && OVERO(e) && O == 1) -> if :: e -> sure(T_DEL, e, c, res) :: else fi; goto release
    :: else
    fi;
    if
    :: D && !(e && OVERD(e) && D == 1) -> if :: e -> sure(T_DEL, e, c, res) :: else fi; goto release
    :: else
    fi;
    if
    :: e == 0 -> sure(T_INM, MK(hi, 0, 0), 0, res); goto release
    :: else
    fi;
#ifndef M_NOCHARGEID
    if :: CHG(e) == o -> goto release :: else fi;       /* this claim is charged already */
#endif
#ifdef M_NOCOUNT
    goto release;                                       /* a lost attempt costs nothing: a poison job never dies */
#endif
#ifdef M_EARLYREL
    sure(L_DEL, c + 8*o, 0, res);
#endif
    assert(taken & (1 << CLM(l)));                      /* rule: no charge without a takeover or a failure */
    if
    :: RET(e) >= MAXR -> bury(e, res); MAYCRASH; sure(T_DEL, e, c, res)
    :: else ->
       send(T_CAS, e, MK(RET(e) + 1, o, OVER(e)), res);
       if
       :: res == OK
       :: res == PRE -> goto again
       :: res == UNK -> goto again
       fi
    fi;
    MAYCRASH;
release:
#ifdef M_NOTAKEOVER
    sure(L_DEL, l, 0, res);
#else
    sure(L_DEL, c + 8*o, 0, res);
#endif
    goto idle
}

/* v1: unconditional everything but the first lock PUT */
proctype V1Worker() {
    byte r, e, x, res;
idle:
    atomic { r = 0; e = 0; x = 0; res = 0 }
end:
    T != 0 && D == 0;
    atomic { nclaim < NCLAIM -> x = nclaim; nclaim++ }
    apply(L_INM, x, 0, res);
    if :: res == PRE -> goto idle :: else fi;
    e = T; r = (e -> RET(e) : 0);
    apply(L_PUT, x, 0, res);
    if
    :: goto good
    :: goto bad
    :: deadc = deadc | (1 << x); goto idle              /* dies */
    fi;
good:
    apply(L_PUT, x, 0, res);                            /* a heartbeat between GET and PUT */
    apply(O_PUT, 1, 0, res);
    apply(T_DEL, 0, 0, res);
    apply(L_DEL, 0, 0, res);
    apply(F_DEL, 0, 0, res);
    goto idle;
bad:
    if
    :: r >= MAXR -> apply(D_PUT, 1, 0, res); apply(F_DEL, 0, 0, res); apply(T_DEL, 0, 0, res); deadc = deadc | (1 << x)
    :: else -> apply(F_PUT, 1 + r, 0, res); apply(L_DEL, 0, 0, res)
    fi;
    goto idle
}
proctype V1Janitor() {
    byte l, n, res;
end:
    do
    :: atomic { L && STALE(L) -> l = L; n = 1; l = 0 }
       if
       :: n > MAXR -> apply(D_PUT, 1, 0, res); apply(F_DEL, 0, 0, res); apply(L_DEL, 0, 0, res); apply(T_DEL, 0, 0, res)
       :: else -> apply(T_PUT, MK(n, 0, 0), 0, res); apply(L_DEL, 0, 0, res)
       fi; n = 0; res = 0
    :: atomic { F -> n = F };
       if
       :: n > MAXR -> apply(D_PUT, 1, 0, res); apply(F_DEL, 0, 0, res)
       :: else -> apply(T_PUT, MK(n, 0, 0), 0, res); apply(F_DEL, 0, 0, res)
       fi; n = 0; res = 0
    od
}

proctype User() {
    byte res, c, e;
end:
#if USER == 1                                           /* retry of a dead job, holding its lock */
    D != 0;
    userdid = 1;
#ifndef M_NOLOCK
    atomic { nclaim < NCLAIM -> c = nclaim; nclaim++ }
    sure(L_INM, c, 0, res);
    L == c;
#endif
    e = T;
    if
    :: e == 0 -> sure(T_INM, MK(0, 0, 1), 0, res)       /* the marker names the dead record it overrides */
    :: else -> sure(T_CAS, e, MK(0, 0, 1), res)
    fi;
    atomic { T && OVER(T) };
    sure(D_DEL, 1, c, res);
#ifndef M_NOLOCK
    sure(L_DEL, c, 0, res)
#endif
#endif
#if USER == 2                                           /* reconversion */
    O == 1;
    d_step { userdid = 1; wishes++ }
#ifdef M_DELRESULT
    sure(O_DEL, 0, 0, res);                             /* the old result away first */
    sure(T_INM, MK(0, 0, 0), 0, res)
#else
    sure(T_INM, MK(0, 0, 1), 0, res)                    /* the marker names the result it replaces */
#endif
#endif
#if USER == 3                                           /* a second ingest of the same file */
    O == 0 && F == 0 && D == 0;                         /* looks: nothing known */
    userdid = 1;
    sure(T_INM, MK(0, 0, 0), 0, res)
#endif
#if USER == 4                                           /* cancel: a running job gets the mark, a queued one is buried */
    T != 0;
    e = L;
    if
    :: e && !MARKED(e) && FROM(e) == 0 -> send(L_CAS, e, e | 128, res)
    :: e == 0 && nclaim < NCLAIM ->
       atomic { c = nclaim; nclaim++ }
       send(L_INM, c, 0, res);
       if
       :: L == c ->
          e = T;
          if
          :: e == 0 || O || D -> skip
          :: else -> bury(e, res); sure(T_DEL, e, c, res)
          fi;
          sure(L_DEL, c, 0, res)
       :: else -> deadc = deadc | (1 << c)
       fi
    :: else
    fi
#endif
}

proctype Audit() {
    byte res;
end:
    do
    :: T == 0 && F == 0 && D == 0 && O == 0 && !lt -> sure(T_INM, MK(hi, 0, 0), 0, res)
    od
}

init {
    atomic {
        byte i;
        for (i : 1 .. WORKERS)  { run Worker() }
        for (i : 1 .. JANITORS) { run Janitor() }
        if :: USER -> run User() :: else fi;
        if :: V1 -> run V1Worker(); run V1Janitor() :: else fi;
        if :: AUDIT -> run Audit() :: else fi;
        i = 0
    }
}

#ifdef NEVER
/* The same promises as never-claims: spin builds the automaton of each formula's negation. */
ltl never_lost { [] (T || F || D || O) }
ltl never_two_results { [] (accepted <= wishes) }
#endif
