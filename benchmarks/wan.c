/* A line between two network namespaces in user space: takes packets from the TUN device of one and gives them to that of
 * the other after rate, queue, delay and loss. One epoll, one timer. Started by wan.py:
 *
 *   wan-shaper NEAR FAR MBIT DELAY_MS LOSS_PERCENT QUEUE_MS
 *
 * Loss strikes packets from near to far only, where the bytes of an upload go. A packet that would wait longer than QUEUE_MS
 * for the line is dropped, as by a router with a FIFO queue.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 2048
#define RING (1 << 16)

struct packet { double due; int length; unsigned char bytes[PACKET_MAX]; };
struct way { int from, to; double free_at, loss; struct packet *ring; unsigned head, tail; };

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static uint64_t seed = 88172645463325252ull;
static double chance(void) { seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17; return (seed >> 11) * (1.0 / 9007199254740992.0); }

static int tun(const char *space) {
    char path[128]; snprintf(path, sizeof path, "/run/netns/%s", space);
    int home = open("/proc/self/ns/net", O_RDONLY), there = open(path, O_RDONLY);
    if (home < 0 || there < 0 || setns(there, CLONE_NEWNET)) return -1;
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    struct ifreq ask = {.ifr_flags = IFF_TUN | IFF_NO_PI}; strcpy(ask.ifr_name, "vodwan");
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ask)) return -1;
    setns(home, CLONE_NEWNET); close(home); close(there);
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* A packet that waits for a processor would look like a queue in the line. It takes a tenth of one, so nobody starves. */
    struct sched_param first = {.sched_priority = 1}; sched_setscheduler(0, SCHED_FIFO, &first);
    double bytes_s = atof(argv[3]) * 1e6 / 8, delay = atof(argv[4]) / 1000, loss = atof(argv[5]) / 100, most = atof(argv[6]) / 1000;
    int near = tun(argv[1]), far = tun(argv[2]);
    if (near < 0 || far < 0) { perror("tun"); return 1; }
    struct way ways[2] = {{near, far, 0, loss, calloc(RING, sizeof(struct packet)), 0, 0}, {far, near, 0, 0, calloc(RING, sizeof(struct packet)), 0, 0}};
    int ep = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    for (int i = 0; i < 2; i++) { struct epoll_event e = {.events = EPOLLIN, .data.u32 = i}; epoll_ctl(ep, EPOLL_CTL_ADD, ways[i].from, &e); }
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = 2}; epoll_ctl(ep, EPOLL_CTL_ADD, timer, &e);
    puts("ready"); fflush(stdout);
    for (;;) {
        struct epoll_event got[4]; int n = epoll_wait(ep, got, 4, -1);
        for (int i = 0; i < n; i++) {
            if (got[i].data.u32 == 2) { uint64_t x; if (read(timer, &x, sizeof x) < 0) continue; continue; }
            struct way *w = &ways[got[i].data.u32];
            for (int k = 0; k < 64; k++) {
                struct packet *p = &w->ring[w->head % RING];
                int length = read(w->from, p->bytes, PACKET_MAX);
                if (length <= 0) break;
                double t = now(), start = w->free_at > t ? w->free_at : t;
                if (w->head - w->tail >= RING - 1 || start - t > most) continue;
                w->free_at = start + length / bytes_s;
                if (w->loss && chance() < w->loss) continue;  /* lost behind the queue: it took its share of the line */
                p->length = length; p->due = w->free_at + delay; w->head++;
            }
        }
        double t = now(), next = 1e18;
        for (int i = 0; i < 2; i++) {
            struct way *w = &ways[i];
            while (w->tail != w->head && w->ring[w->tail % RING].due <= t) {
                struct packet *p = &w->ring[w->tail % RING];
                if (write(w->to, p->bytes, p->length) < 0) { /* the other end's queue is full: the packet is lost */ }
                w->tail++;
            }
            if (w->tail != w->head && w->ring[w->tail % RING].due < next) next = w->ring[w->tail % RING].due;
        }
        struct itimerspec when = {0};
        if (next < 1e17) { double left = next - now(); if (left < 2e-5) left = 2e-5; when.it_value.tv_sec = (long)left; when.it_value.tv_nsec = (left - (long)left) * 1e9; }
        timerfd_settime(timer, 0, &when, NULL);
    }
}
