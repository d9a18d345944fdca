/* An emulated network link between two network namespaces.
 *
 *   link emulate KEY=VALUE...     make the namespaces and forward until standard input ends
 *   link enter USER NET COMMAND.. run a command in a namespace (USER: - or a file as NET)
 *
 * Each namespace has a TUN device; whatever one of them sends is read here, packet by packet, and
 * written to the other. Per direction: random loss, a queue that drops what does not fit, sending
 * at a rate, a delay. Packets never overtake each other. A packet is lost before it is queued, so
 * that it takes none of the link's time. A queue holds packets whose sending has not begun.
 *
 * Keys of `emulate`, each with the prefix up_ (client to server) or down_:
 *   rate     bytes per second, 14 bytes of Ethernet header counted for each packet; inf: no limit
 *   delay    one way, seconds
 *   loss     share of packets lost
 *   burst    mean length of a burst of losses, packets; 1: each by itself (Gilbert 1960 else)
 *   queue    packets
 *   trace    file of delays in seconds, one a line, instead of `delay`; over at its end it begins anew
 * and without prefix: hold (seconds that each line of a trace holds), seed (0: from the clock),
 * spin (seconds before something is due in which the processor is kept busy instead of waiting),
 * control (congestion control of both hosts, cubic).
 *
 * Each line on standard input is answered with the counts so far, one line of JSON.
 * Exit code 3: the system does not permit it; standard error says what.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "namespaces.h"

enum { ETHERNET = 14, BATCH = 32, BUCKETS = 9 };

static const double LATE_S[BUCKETS - 1] = {20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3};

struct packet {
    struct packet *next;
    double begins_s, due_s;
    int bytes;
    unsigned char data[MTU];
};

struct direction {
    double rate, delay_s, loss, burst;
    long queue;
    const char *trace_file;
    double *trace_s;
    long trace_count;
    int from, to;
    struct packet *head, *tail; /* all on their way, by time */
    struct packet *waiting;     /* first whose sending has not begun */
    long queued;
    double free_s, last_due_s;
    int is_bad;
    long sent, lost, dropped, delivered, failed, bursts, oversized, other;
    long late[BUCKETS];
    double latest_s;
};

static struct packet *spare;
static const char *control = "cubic";
static double began_s, hold_s = 0.1, spin_s = 50e-6;
static uint64_t chance;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Uniform in [0, 1): splitmix64 (Steele, Lea, Flood 2014). */
static double uniform(void) {
    uint64_t z = (chance += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void read_trace(struct direction *d) {
    FILE *f = fopen(d->trace_file, "re");
    double value_s;
    int found;
    if (!f) fail(1, "cannot open %s", d->trace_file);
    while ((found = fscanf(f, "%lf", &value_s)) == 1) {
        if (!(value_s >= 0)) found = 0;
        if (!found) break;
        d->trace_s = realloc(d->trace_s, (size_t)(d->trace_count + 1) * sizeof *d->trace_s);
        if (!d->trace_s) fail(1, "no memory for a trace");
        d->trace_s[d->trace_count++] = value_s;
    }
    fclose(f);
    errno = EINVAL;
    if (found != EOF || d->trace_count == 0) fail(1, "%s is not a list of delays", d->trace_file);
}

static int is_lost(struct direction *d) {
    if (d->loss <= 0) return 0;
    if (d->burst <= 1) return uniform() < d->loss;
    double leaves = 1 / d->burst, enters = d->loss * leaves / (1 - d->loss);
    int was_bad = d->is_bad;
    d->is_bad = was_bad ? uniform() >= leaves : uniform() < enters;
    d->bursts += d->is_bad && !was_bad;
    return d->is_bad;
}

static double delay_s(const struct direction *d, double at_s) {
    if (!d->trace_count) return d->delay_s;
    return d->trace_s[(long)floor((at_s - began_s) / hold_s) % d->trace_count];
}

static void enqueue(struct direction *d, struct packet *p, double at_s) {
    while (d->waiting && d->waiting->begins_s <= at_s) {
        d->waiting = d->waiting->next;
        d->queued--;
    }
    p->begins_s = d->free_s > at_s ? d->free_s : at_s;
    if (p->begins_s > at_s && d->queued >= d->queue) {
        d->dropped++;
        p->next = spare;
        spare = p;
        return;
    }
    d->free_s = p->begins_s + (p->bytes + ETHERNET) / d->rate;
    p->due_s = d->free_s + delay_s(d, d->free_s);
    if (p->due_s < d->last_due_s) p->due_s = d->last_due_s; /* none overtakes */
    d->last_due_s = p->due_s;
    p->next = NULL;
    if (d->head)
        d->tail->next = p;
    else
        d->head = p;
    d->tail = p;
    if (p->begins_s > at_s) {
        d->queued++;
        if (!d->waiting) d->waiting = p;
    }
}

/* Take what the namespace sends; return how many packets. */
static int take(struct direction *d) {
    int count = 0;
    while (count < BATCH) {
        if (!spare) {
            spare = malloc(sizeof *spare);
            if (!spare) fail(1, "no memory for packets");
            spare->next = NULL;
        }
        struct packet *p = spare;
        ssize_t n = read(d->from, p->data, MTU);
        if (n <= 0) break;
        count++;
        if ((p->data[0] >> 4) != 4) { /* only IPv4 is forwarded */
            d->other++;
            continue;
        }
        /* the length that the packet tells: a longer one was cut by the read */
        if ((p->data[2] << 8 | p->data[3]) != n) {
            d->oversized++;
            continue;
        }
        d->sent++;
        if (is_lost(d)) {
            d->lost++;
            continue;
        }
        spare = p->next;
        p->bytes = (int)n;
        enqueue(d, p, now());
    }
    return count;
}

static void deliver(struct direction *d) {
    double at_s;
    for (int count = 0; count < BATCH && d->head && d->head->due_s <= (at_s = now()); count++) {
        struct packet *p = d->head;
        int bucket = 0;
        double late_s = at_s - p->due_s;
        while (bucket < BUCKETS - 1 && late_s >= LATE_S[bucket]) bucket++;
        d->late[bucket]++;
        if (late_s > d->latest_s) d->latest_s = late_s;
        if (write(d->to, p->data, (size_t)p->bytes) == p->bytes)
            d->delivered++;
        else
            d->failed++;
        if (d->waiting == p) {
            d->waiting = p->next;
            d->queued--;
        }
        d->head = p->next;
        p->next = spare;
        spare = p;
    }
}

static void tell_direction(const char *name, const struct direction *d) {
    printf("\"%s\": {\"sent\": %ld, \"lost\": %ld, \"bursts\": %ld, \"dropped\": %ld, "
           "\"delivered\": %ld, \"failed\": %ld, \"oversized\": %ld, \"latest_s\": %.6f, "
           "\"late\": [",
           name, d->sent, d->lost, d->bursts, d->dropped, d->delivered, d->failed, d->oversized,
           d->latest_s);
    for (int i = 0; i < BUCKETS; i++) printf("%s%ld", i ? ", " : "", d->late[i]);
    printf("]}");
}

static void tell(const struct direction d[2]) {
    printf("{");
    tell_direction("up", &d[0]);
    printf(", ");
    tell_direction("down", &d[1]);
    printf("}\n");
    fflush(stdout);
}

static void forward(struct direction d[2]) {
    for (;;) {
        double next_s = INFINITY;
        for (int i = 0; i < 2; i++) {
            deliver(&d[i]);
            if (d[i].head && d[i].head->due_s < next_s) next_s = d[i].head->due_s;
        }
        double wait_s = next_s - now() - spin_s;
        struct timespec wait = {0, 0};
        if (wait_s > 0) {
            if (wait_s > 1) wait_s = 1;
            wait.tv_nsec = (long)(1e9 * (wait_s - floor(wait_s)));
            wait.tv_sec = (time_t)wait_s;
        }
        struct pollfd ready[3] = {{d[0].from, POLLIN, 0}, {d[1].from, POLLIN, 0}, {0, POLLIN, 0}};
        if (ppoll(ready, 3, &wait, NULL) < 0 && errno != EINTR) fail(1, "cannot wait");
        for (int i = 0; i < 2; i++)
            if (ready[i].revents) take(&d[i]);
        if (ready[2].revents) {
            char text[256];
            ssize_t n = read(0, text, sizeof text);
            if (n <= 0) return;
            for (ssize_t i = 0; i < n; i++)
                if (text[i] == '\n') tell(d);
        }
    }
}

static double number(const char *key, const char *text, double least, double most) {
    char *end;
    double value = strtod(text, &end);
    errno = EINVAL;
    if (*end || end == text || !(value >= least && value <= most)) fail(1, "%s=%s", key, text);
    return value;
}

static int emulate(char **words) {
    struct direction d[2] = {{.rate = INFINITY, .burst = 1, .queue = 1000},
                             {.rate = INFINITY, .burst = 1, .queue = 1000}};
    double seed = 0;
    for (; *words; words++) {
        char *value = strchr(*words, '=');
        errno = EINVAL;
        if (!value) fail(1, "%s", *words);
        *value++ = 0;
        int down = !strncmp(*words, "down_", 5);
        const char *key = *words + (down ? 5 : !strncmp(*words, "up_", 3) ? 3 : 0);
        if (!strcmp(key, "rate")) d[down].rate = number(*words, value, 1, INFINITY);
        else if (!strcmp(key, "delay")) d[down].delay_s = number(*words, value, 0, 100);
        else if (!strcmp(key, "loss")) d[down].loss = number(*words, value, 0, 0.99);
        else if (!strcmp(key, "burst")) d[down].burst = number(*words, value, 1, 1e6);
        else if (!strcmp(key, "queue")) d[down].queue = (long)number(*words, value, 0, 1e6);
        else if (!strcmp(key, "trace")) d[down].trace_file = value;
        else if (!strcmp(key, "hold")) hold_s = number(*words, value, 1e-6, 1e6);
        else if (!strcmp(key, "control")) control = value;
        else if (!strcmp(key, "spin")) spin_s = number(*words, value, 0, 1);
        else if (!strcmp(key, "seed")) seed = number(*words, value, 0, 0x1p53);
        else fail(1, "unknown key %s", *words);
    }
    pid_t parent = getppid();
    die_with(parent);
    struct sched_param one = {.sched_priority = 1};
    int is_realtime = sched_setscheduler(0, SCHED_FIFO, &one) == 0;
    int is_user = unshare_user();
    die_with(parent); /* new credentials took it away */
    int client = make_device("198.18.0.1", control);
    int client_net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (client_net < 0 || unshare(CLONE_NEWNET)) fail(NOT_PERMITTED, "cannot make a second network namespace");
    int server = make_device("198.18.0.2", control);
    d[0].from = d[1].to = client;
    d[1].from = d[0].to = server;
    for (int i = 0; i < 2; i++)
        if (d[i].trace_file) read_trace(&d[i]);
    prctl(PR_SET_TIMERSLACK, 1);
    began_s = now();
    chance = seed > 0 ? (uint64_t)seed : (uint64_t)(1e9 * began_s) ^ (uint64_t)getpid() << 40;
    char user[64] = "-";
    if (is_user) snprintf(user, sizeof user, "/proc/%d/ns/user", getpid());
    printf("{\"user\": \"%s\", \"client\": \"/proc/%d/fd/%d\", \"server\": \"/proc/%d/ns/net\", "
           "\"is_realtime\": %s, \"began_s\": %.9f}\n",
           user, getpid(), client_net, getpid(), is_realtime ? "true" : "false", began_s);
    fflush(stdout);
    forward(d);
    tell(d);
    return 0;
}

int main(int count, char **words) {
    if (count >= 2 && !strcmp(words[1], "emulate")) return emulate(words + 2);
    if (count >= 5 && !strcmp(words[1], "enter")) return enter(words + 2);
    fputs("link emulate KEY=VALUE... | link enter USER NET COMMAND...\n", stderr);
    return 2;
}
