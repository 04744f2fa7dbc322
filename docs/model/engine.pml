/* The submit engine as a model for spin: push and drain, the leader's seat, the depth limit, long batches, the retiring lock, the
 * poller's seat, the spinners and the sleepers, keeping lists back, the keeper, and close. Three threads commit three lists each to a stream of their own: thread 0 waits
 * for each list, thread 1 for none, thread 2 for its last. A step here is one atomic operation there; see README.md.
 * Each MUTATE_* takes one of the engine's rules away, and the check must then fail. */

#define T 3
#ifndef L
#define L 3 /* lists a thread */
#endif
#if defined(WITHOUT_THREAD_1) || defined(WITHOUT_THREAD_2) /* two threads instead of three */
#define THREADS 2
#else
#define THREADS 3
#endif
#define DEPTH 2
#define IS_LONG(t, list) ((list) % 2 == (t) % 2) /* lists count from 0 */

/* How far each stream is. pushed, then drained by a leader, then taken into a batch, then executed, then completed (published). */
byte pushed[T], drained[T], taken[T], executed[T], completed[T];
#define INCOMING (pushed[0] + pushed[1] + pushed[2] > drained[0] + drained[1] + drained[2])
#define BACKLOG (drained[0] + drained[1] + drained[2] > taken[0] + taken[1] + taken[2])

typedef batch { byte upto[T]; bit slow; };
batch ring[DEPTH];            /* batch of value v is ring[(v - 1) % DEPTH] */
byte submitted, done;         /* values given to the device, and reached by it */
byte head, tail;              /* batches added and retired */
bit long_is_due;
bit seat, retiring;           /* the leader's seat, the retiring lock */
byte outstanding, released;   /* lists counted in, and lists that were let go of */
byte unsettled;               /* lists that were retired and not yet let go of */

bit poller, wait_lock;        /* the poller's seat, the sleepers' lock */
byte polled;                  /* threads that wait without a pause */
byte sleeping, waiters;
bit linked[T];                /* on the list of sleepers */
byte posted[T], awaited[T];    /* semaphores, and what each thread waits for */

bit keeper_lock, keeper_asleep, keeper_waits, stop;
byte finished;                /* threads that have committed everything */

inline acquire(lock) { atomic { lock == 0 -> lock = 1 } }

/* --- leading ------------------------------------------------------------------------------------------------------ */

/* Which lists the batch takes: of each stream from the front. Only the leader's own data and what it saw of the tail (`long_ahead`). */
inline take_one(t)
{
    if
    :: taken[t] < drained[t] && !(IS_LONG(t, taken[t]) && (long_ahead || short_only)) ->
        if :: IS_LONG(t, taken[t]) -> ring[head % DEPTH].slow = 1 :: else fi;
        taken[t]++; count++
    :: else
    fi
}

inline take_share()
{
    d_step {
        count = 0; ring[head % DEPTH].slow = 0;
        take_one(0); take_one(0); take_one(0);
        take_one(1); take_one(1); take_one(1);
        take_one(2); take_one(2); take_one(2);
        ring[head % DEPTH].upto[0] = taken[0];
        ring[head % DEPTH].upto[1] = taken[1];
        ring[head % DEPTH].upto[2] = taken[2];
        long_is_due = short_only && count > 0; short_only = 0
    }
}

/* Between taking the lists and the submit nothing that others see changes, so it is one step: the look at the tail, the
 * choice, and the submit, from which on the device works. The head follows in a step of its own. */
inline lead()
{
    atomic {
        if
        :: head - tail < DEPTH -> /* room may have gone while the seat changed hands */
            if
            :: long_ahead = (tail < head && ring[tail % DEPTH].slow)
            :: tail < head && ring[tail % DEPTH].slow /* nobody has short lists lately: long batches may overlap */
            fi;
            short_only = !long_is_due; /* short lists first, then the long ones' turn */
            take_share();
            if
            :: count == 0 && !long_ahead -> take_share() /* none of that kind: the other */
            :: else
            fi;
            long_ahead = 0;
#ifdef MUTATE_RELEASE_EARLY
            released = released + count; assert(released <= executed[0] + executed[1] + executed[2]);
#endif
            led = count > 0;
            submitted = submitted + led;
            count = 0
        :: else
        fi
    }
    if :: led -> head++ :: else fi
}

/* Lists may be kept back for others to join while something is in flight, and on an idle queue while somebody polls. Whether they are
 * is left open: how many are queued, wanted and returning, what is short and when the time is over must not matter. The leader decides, under the seat; what is in
 * flight it computes from a tail loaded before the head, so a batch may be retired meanwhile; seen_tail is older still. */
#ifdef MUTATE_KEEP_BACK_UNPOLLED
#define MAY_KEEP_BACK true
#else
#define MAY_KEEP_BACK (polled > 0)
#endif

inline kick()
{
    do
    :: !INCOMING && !BACKLOG -> break
    :: atomic { else -> seen_tail = tail }
        if :: head - tail >= DEPTH -> break :: else fi;
        atomic { if :: seat -> break :: else -> seat = 1 fi }
        d_step { drained[0] = pushed[0]; drained[1] = pushed[1]; drained[2] = pushed[2] }
        if
        :: head > seen_tail -> skip              /* kept back: retirement kicks */
        :: atomic { MAY_KEEP_BACK -> kept = 1 } /* kept back: who polls kicks */
        :: true -> lead()
        fi;
#ifdef MUTATE_LEAVE_LOOKED_EARLY
        looked = (head > tail);
#endif
        seat = 0;
#ifdef MUTATE_LEAVE_AFTER_SEAT
        break;
#endif
        if /* who has led enough leaves while something is in flight; after how many rounds is left open */
#if defined(MUTATE_LEAVE_UNLOOKED)
        :: break
#elif defined(MUTATE_LEAVE_LOOKED_EARLY)
        :: atomic { looked -> break }
#else
        :: atomic { head > tail -> break }
#endif
        :: atomic { led || INCOMING -> led = 0; kept = 0 }
#if !defined(MUTATE_NO_LOOK_AT_POLLED) && !defined(MUTATE_KEEP_BACK_UNPOLLED)
        :: atomic { !led && !INCOMING && kept && polled == 0 -> kept = 0 } /* whoever polled found the seat taken, and left */
        :: atomic { !led && !INCOMING && !(kept && polled == 0) -> kept = 0 }
#else
        :: atomic { !led && !INCOMING -> kept = 0 }
#endif
#ifdef MUTATE_NO_LOOK_AT_TAIL
            break
#else
            if :: tail == seen_tail -> break :: else fi
#endif
        fi
    od;
#ifdef MUTATE_LEAVE_LOOKED_EARLY
    looked = 0;
#endif
    atomic { led = 0; kept = 0; seen_tail = 0 }
}

/* --- retiring ----------------------------------------------------------------------------------------------------- */

inline publish_of(t)
{
    assert(ring[at % DEPTH].upto[t] >= completed[t]); /* in order, each once (RETIRE-9) */
    assert(ring[at % DEPTH].upto[t] <= executed[t]);  /* not before the device is done (RETIRE-1) */
    gone = gone + ring[at % DEPTH].upto[t] - completed[t];
    completed[t] = ring[at % DEPTH].upto[t]
}

inline publish()
{
    d_step { publish_of(0); publish_of(1); publish_of(2) }
}

inline wake_one(t)
{
    if
    :: linked[t] && completed[t] >= awaited[t] -> linked[t] = 0; sleeping--; posted[t]++
    :: else
    fi
}

inline wake()
{
    if
    :: sleeping == 0
    :: else ->
        atomic { wait_lock == 0 -> wake_one(0); wake_one(1); wake_one(2) } /* nothing blocks under this lock: one step */
    fi
}

/* Lets go of what was retired. */
inline settle()
{
    atomic {
        if
        :: unsettled > 0 ->
#ifndef MUTATE_RELEASE_EARLY
            released = released + unsettled;
            assert(released <= executed[0] + executed[1] + executed[2]); /* RETIRE-2 */
#endif
            outstanding = outstanding - unsettled; unsettled = 0
        :: else
        fi
    }
}

inline progress()
{
    progress_unsettled();
    settle()
}

inline progress_unsettled()
{
    if
    :: head > tail ->
        atomic {
            had_lock = retiring;
#ifdef MUTATE_NO_RETIRING_LOCK
            had_lock = 0;
#endif
            retiring = 1
        }
        if
        :: had_lock -> had_lock = 0; kick()
        :: else ->
            atomic { reached = done; at = tail }
            do
            :: atomic { at < head && at < reached -> publish(); at++; tail = at; any = 1 }
            :: else -> break
            od;
            atomic { reached = 0; at = 0; retiring = 0 }
#ifndef MUTATE_NO_KICK_AFTER_RETIRING
            kick();
#endif
            if :: any -> any = 0; wake() :: else fi;
            atomic { unsettled = unsettled + gone; gone = 0 }
        fi
    :: else -> kick()
    fi
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

/* Blocks as a wait on the device does: until there is something to retire and nobody is at it. The pauses by time that the code has
 * where nothing is in flight are left out: nothing may depend on them. */
#define DEVICE_ANSWERS (done > tail && head > tail && !retiring)
/* On an idle device who polls without a pause looks again: nobody else does when the time of what is kept back is over. */
#ifdef MUTATE_POLLER_LOOKS_ONCE
#define LOOKS_AGAIN false
#else
#define LOOKS_AGAIN (spins && head == tail && (INCOMING || BACKLOG))
#endif

/* Whether a thread that waits may spin is left open: that depends on the processors and on who else does. */
inline enter_spin()
{
    if
    :: spins
    :: atomic { !spins -> polled++; spins = 1 }
    :: !spins
    fi
}

inline leave_spin()
{
    if
    :: spins ->
        atomic { polled--; spins = 0; last = (polled == 0) }
#ifdef MUTATE_NO_LAST_KICK
        last = 0;
#endif
        if :: last -> last = 0; kick() :: else fi
    :: else
    fi
}

inline pass_on()
{
#ifndef MUTATE_NO_PASS_ON
    if
    :: sleeping == 0
    :: else ->
        if
        :: poller
        :: else ->
            atomic {
                wait_lock == 0;
                if
                :: linked[0] -> linked[0] = 0; sleeping--; posted[0]++
                :: !linked[0] && linked[1] -> linked[1] = 0; sleeping--; posted[1]++
                :: !linked[0] && !linked[1] && linked[2] -> linked[2] = 0; sleeping--; posted[2]++
                :: else
                fi
            }
        fi
    fi
#else
    skip
#endif
}

inline fall_asleep(value)
{
    atomic { wait_lock == 0 -> wait_lock = 1; sleeping++ }
    if
    :: completed[me] >= value -> d_step { sleeping--; wait_lock = 0 }
    :: else ->
        if
#ifndef MUTATE_SLEEP_WITHOUT_A_POLLER
        :: !poller -> d_step { sleeping--; wait_lock = 0 }
#endif
        :: else ->
            d_step { linked[me] = 1; wait_lock = 0 }
            atomic { posted[me] > 0 -> posted[me]-- }
        fi
    fi
}

/* On a CPU: may block for the thread's own batch, beside whoever has the poller's seat. When it may is left open: only how soon others are
 * retired hangs on that. It goes on when the batch is complete and nobody is at retiring it. */
inline wait_directly(value)
{
    atomic { /* the leader has noted which batch a list is in */
        if
        :: head > tail && ring[tail % DEPTH].upto[me] >= value -> own = tail + 1
        :: head > tail + 1 && ring[(tail + 1) % DEPTH].upto[me] >= value -> own = tail + 2
        :: true
        fi
    }
    if
    :: own > 0 ->
        atomic { (tail >= own || (done >= own && !retiring)) -> own = 0 }
        progress()
    :: else
    fi
}

inline wait_for(value)
{
    awaited[me] = value;
    waiters++;
    do
    :: completed[me] >= value -> break
    :: else ->
        wait_directly(value);
        if :: completed[me] >= value -> break :: else fi;
        atomic { had_poller = poller; poller = 1 }
        if
        :: !had_poller ->
            enter_spin();
            do
            :: progress_unsettled();
                if /* whose wait is over goes on; or it settles, as who blocks does */
                :: completed[me] >= value -> break
                :: settle()
                fi;
                if
                :: completed[me] >= value -> break
                :: completed[me] < value && spins -> leave_spin() /* it blocks from now on */
                :: completed[me] < value -> (completed[me] >= value || DEVICE_ANSWERS || LOOKS_AGAIN)
                fi
            od;
            poller = 0;
            break
        :: else -> had_poller = 0
        fi;
        enter_spin(); /* it may end at any time; that it may look in the poller's place meanwhile is left out: the poller does the same */
        if
        :: spins ->
            if
            :: completed[me] >= value || !poller -> try_again = 1 /* and it still spins */
            :: poller -> leave_spin()
            fi
        :: else
        fi;
        if
        :: try_again -> try_again = 0
        :: else -> fall_asleep(value)
        fi
    od;
    leave_spin();
    waiters--;
    pass_on();
    awaited[me] = 0
}

/* --- the processes ------------------------------------------------------------------------------------------------ */

inline notify_keeper()
{
#ifndef MUTATE_NO_NOTIFY
    if
    :: keeper_asleep -> acquire(keeper_lock); d_step { keeper_waits = 0; keeper_lock = 0 } /* a signal wakes only who waits */
    :: else
    fi
#else
    skip
#endif
}

proctype committer(byte me)
{
    byte count, gone, seen_tail, reached, at, list, own;
#ifdef MUTATE_LEAVE_LOOKED_EARLY
    bit looked;
#endif
    bit long_ahead, short_only, led, kept, had_lock, had_poller, any, spins, last, try_again;
    do
    :: list < L ->
        outstanding++;
        atomic { pushed[me]++; list++ } /* one compare-and-swap */
        kick();
        settle();
        notify_keeper();
        if
        :: me == 0 || (me == 2 && list == L) -> wait_for(list)
        :: else
        fi
    :: else -> break
    od;
    finished++
}

proctype device()
{
    do
    :: d_step {
        done < submitted ->
        executed[0] = ring[done % DEPTH].upto[0];
        executed[1] = ring[done % DEPTH].upto[1];
        executed[2] = ring[done % DEPTH].upto[2];
        done++
    }
    :: stop && done == submitted -> break
    od
}

proctype keeper()
{
    byte count, gone, seen_tail, reached, at;
#ifdef MUTATE_LEAVE_LOOKED_EARLY
    bit looked;
#endif
    bit long_ahead, short_only, led, kept, had_lock, any;
    acquire(keeper_lock);
    do
    :: stop -> break
    :: !stop && outstanding == 0 ->
        keeper_asleep = 1;
        if
#ifdef MUTATE_KEEPER_SLEEPS_BLINDLY
        :: true ->
#else
        :: outstanding == 0 && !stop ->
#endif
            atomic { keeper_waits = 1; keeper_lock = 0 }
            keeper_waits == 0; /* the condition was signalled; then it takes the lock again */
            acquire(keeper_lock)
#ifndef MUTATE_KEEPER_SLEEPS_BLINDLY
        :: else
#endif
        fi;
        keeper_asleep = 0
    :: !stop && outstanding > 0 ->
        keeper_lock = 0;
#ifdef MUTATE_KEEPER_LEAVES_UNSETTLED
        progress_unsettled();
        (waiters == 0 && DEVICE_ANSWERS) || outstanding == 0 || stop;
#else
        progress();
        /* while others wait it leaves the work to them; by time it comes back to what was not settled */
        (waiters == 0 && DEVICE_ANSWERS) || unsettled > 0 || outstanding == 0 || stop;
#endif
        acquire(keeper_lock)
    od;
    keeper_lock = 0
}

/* Closing: waits until nothing is outstanding, then stops the keeper. */
proctype closer()
{
    byte count, gone, seen_tail, reached, at;
#ifdef MUTATE_LEAVE_LOOKED_EARLY
    bit looked;
#endif
    bit long_ahead, short_only, led, kept, had_lock, any, late;
    finished == THREADS;
    if :: late = 1 :: late = 0 fi;
    if
    :: late -> outstanding == 0 /* the keeper has completed what nobody waited for */
    :: else
    fi;
    do
    :: progress();
        if
        :: outstanding == 0 -> break
        :: else -> (outstanding == 0 || unsettled > 0 || DEVICE_ANSWERS)
        fi
    od;
    assert(!INCOMING && !BACKLOG && head == tail); /* no list is left behind (ENGINE-1) */
    assert(completed[0] + completed[1] + completed[2] == THREADS * L);
    assert(released == THREADS * L);
    acquire(keeper_lock);
    stop = 1;
#ifndef MUTATE_CLOSE_WITHOUT_SIGNAL
    keeper_waits = 0;
#endif
    keeper_lock = 0
}

init {
    atomic { run device(); run keeper(); run closer(); run committer(0);
#ifndef WITHOUT_THREAD_1
        run committer(1);
#endif
#ifndef WITHOUT_THREAD_2
        run committer(2)
#endif
    }
}
