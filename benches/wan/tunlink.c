// tunlink: joins two network namespaces by a line with a rate, a delay, a drop-tail queue and
// random loss, for kernels without the netem qdisc. IP packets go TUN -> queue -> TUN.
//
//   tunlink NS_A IP_A NS_B IP_B [RATE_MBIT] [DELAY_MS] [LOSS_%] [QUEUE_MS] [SEED]
//
// Namespaces are names under /run/netns; each gets a device "wan" with its address/30. Rate, delay,
// loss and queue hold in each direction. It says one line when the line is ready, runs until SIGINT,
// SIGTERM, or the death of its parent, and then prints counters.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MTU 1500
#define ETHERNET 38         // bytes of Ethernet framing around a packet on a real line
#define LONGEST_NAP 50000000 // ns; how late a stop is seen

struct packet {
    uint64_t due;
    uint32_t length;
    unsigned char bytes[MTU + 36];
};

struct direction {
    int in, out;
    const char *name;
    struct packet *ring; // FIFO: a constant delay keeps the order
    uint32_t capacity, head, tail;
    uint64_t line_free; // when the serialiser is next idle, ns
    uint64_t dice, sent, bytes, lost, tail_dropped, longest_queue;
};

static double rate_mbit = 200, delay_ms = 40, loss_percent = 0, queue_ms = 50;
static volatile sig_atomic_t stopping;

static void stop(int signal) {
    (void)signal;
    stopping = 1;
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t roll(uint64_t *state) { // splitmix64
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

// Makes the device "wan" in a namespace and comes back from there.
static int tun_in(const char *namespace, const char *address) {
    char text[256];
    snprintf(text, sizeof text, "/run/netns/%s", namespace);
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int there = open(text, O_RDONLY | O_CLOEXEC);
    if (home < 0 || there < 0 || setns(there, CLONE_NEWNET)) fail(text);
    int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request;
    memset(&request, 0, sizeof request);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    strcpy(request.ifr_name, "wan");
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request)) fail("/dev/net/tun");
    snprintf(text, sizeof text,
             "ip addr add %s/30 dev wan && ip link set wan mtu %d txqueuelen 10000 up", address,
             MTU);
    if (system(text)) exit(1);
    if (setns(home, CLONE_NEWNET)) fail("home");
    close(there);
    close(home);
    return tun;
}

// Hands out what is due; tells whether there was something.
static int deliver(struct direction *d) {
    int worked = 0;
    uint64_t t = now();
    while (d->head != d->tail) {
        struct packet *p = &d->ring[d->head % d->capacity];
        if (p->due > t) break;
        if (write(d->out, p->bytes, p->length) < 0 && errno == EAGAIN) break;
        d->head++;
        d->sent++;
        d->bytes += p->length;
        worked = 1;
    }
    return worked;
}

// Takes in what was sent; tells whether there was something.
static int take_in(struct direction *d) {
    const double ns_per_byte = 8e3 / rate_mbit;
    const uint64_t delay = (uint64_t)(delay_ms * 1e6), queue = (uint64_t)(queue_ms * 1e6);
    const double loss = loss_percent / 100 * 18446744073709551615.0;
    int worked = 0;
    for (int i = 0; i < 64 && d->tail - d->head < d->capacity; i++) {
        struct packet *p = &d->ring[d->tail % d->capacity];
        ssize_t length = read(d->in, p->bytes, sizeof p->bytes);
        if (length <= 0) break;
        worked = 1;
        uint64_t t = now(), start = d->line_free > t ? d->line_free : t;
        if (start - t > queue) {
            d->tail_dropped++;
            continue;
        }
        if (start - t > d->longest_queue) d->longest_queue = start - t;
        d->line_free = start + (uint64_t)((double)(length + ETHERNET) * ns_per_byte);
        if ((double)roll(&d->dice) < loss) {
            d->lost++;
            continue;
        }
        p->due = d->line_free + delay;
        p->length = (uint32_t)length;
        d->tail++;
    }
    return worked;
}

static void *run(void *argument) {
    struct direction *d = argument;
    while (!stopping) {
        int worked = deliver(d);
        worked |= take_in(d);
        if (worked) continue;
        struct timespec nap = {0, LONGEST_NAP};
        if (d->head != d->tail) {
            uint64_t due = d->ring[d->head % d->capacity].due, t = now();
            if (due <= t) continue;
            if (due - t < LONGEST_NAP) nap.tv_nsec = (long)(due - t);
        }
        struct pollfd f = {d->in, POLLIN, 0};
        ppoll(&f, 1, &nap, NULL);
    }
    return NULL;
}

int main(int count, char **words) {
    if (count < 5) {
        fputs("tunlink NS_A IP_A NS_B IP_B [RATE_MBIT] [DELAY_MS] [LOSS_%] [QUEUE_MS] [SEED]\n",
              stderr);
        return 2;
    }
    if (count > 5) rate_mbit = atof(words[5]);
    if (count > 6) delay_ms = atof(words[6]);
    if (count > 7) loss_percent = atof(words[7]);
    if (count > 8) queue_ms = atof(words[8]);
    uint64_t seed = count > 9 ? strtoull(words[9], NULL, 10) : 88172645463325252u;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGINT, stop);
    signal(SIGTERM, stop);

    int a = tun_in(words[1], words[2]), b = tun_in(words[3], words[4]);
    struct direction directions[2] = {
        {.in = a, .out = b, .name = "there"},
        {.in = b, .out = a, .name = "back"},
    };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        struct direction *d = &directions[i];
        // As many small packets as the line holds at its rate, an eighth of that at full size.
        d->capacity = (uint32_t)(rate_mbit * 1e6 / 8 / 40 * (delay_ms + queue_ms) / 1e3 / 8) + 4096;
        d->ring = malloc((size_t)d->capacity * sizeof *d->ring);
        d->dice = seed + 7919u * (uint64_t)i;
        if (!d->ring || pthread_create(&threads[i], NULL, run, d)) fail("a thread");
    }
    fprintf(stderr, "%s %s <-> %s %s: %g Mbit/s, %g ms each way, loss %g %%, queue %g ms\n",
            words[1], words[2], words[3], words[4], rate_mbit, delay_ms, loss_percent, queue_ms);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        struct direction *d = &directions[i];
        fprintf(stderr,
                "%s: %" PRIu64 " packets, %" PRIu64 " bytes, %" PRIu64 " lost, %" PRIu64
                " dropped by the full queue, longest queue %.1f ms\n",
                d->name, d->sent, d->bytes, d->lost, d->tail_dropped,
                (double)d->longest_queue / 1e6);
    }
    return 0;
}
