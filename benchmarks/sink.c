/* The far end of every benchmark: speaks just enough of the object storage and of VOD to be uploaded to, and drops the
 * bytes with recv(MSG_TRUNC), so that it costs less than any client. One thread, one epoll. Built on the spot by
 * sink.py: cc -O2 [-DWITH_TLS] sink.c [-lssl -lcrypto].
 *
 *   sink key=value...   port (0 = any), host, cert + key (PEM files: TLS), verify=1, api_ms, store_ms, api_cap
 *
 * CRC64 of what it answers: with verify=1 of the bytes that came, else of the benchmark file's pattern (4 KiB, repeated,
 * given as pattern=FILE), of which every part that begins at a multiple of 4 KiB has a CRC known from its length.
 * GET /_sink/stats says what it did and what it cost; GET /_sink/reset begins to count anew and cuts every other connection,
 * for a peer that was ended leaves bytes in its system's buffers, which go on over the line of the next one;
 * GET /_sink/samples lists (monotonic time, bytes so far), one each 20 ms.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

#define HEAD_MAX 32768
#define KEPT_MAX 8192
#define UPLOADS_MAX 4096
#define CONNS_MAX 65536
#define PATTERN 4096

struct part { uint64_t crc; long long length; };
struct upload { struct part *parts; char key[512]; };
struct conn {
    int fd, wanted_close, ready;      /* ready: TLS handshake done */
    char head[HEAD_MAX]; int head_n;
    int in_body; long long left, length; uint64_t crc;
    char kept[KEPT_MAX]; int kept_n;  /* the first bytes of a POST's body: a form or a list of parts */
    char method[8], target[2048];
    double due; char *reply; int reply_n;
#ifdef WITH_TLS
    SSL *ssl;
#endif
};

static struct conn *conns[CONNS_MAX];
static struct upload uploads[UPLOADS_MAX];
static int upload_n, object_n, waiting, epfd, top_fd;
static int verify, api_cap; static double api_s, store_s;
static char endpoint[256];
static long long bytes_in, requests, api_calls, throttled, accepted_n;
static double first_byte_at, last_byte_at, began_at, cpu_at_reset, window_at;
static int window_n;
static struct { double at; long long bytes; } samples[65536];
static int sample_n;
#ifdef WITH_TLS
static SSL_CTX *tls;
#endif

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static double cpu(void) {
    struct rusage u; getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

/* ---- CRC-64/XZ: eight tables for summing, matrices for joining */
#define POLY 0xC96C5795D7870F42ull
static uint64_t table[8][256];
static uint64_t shift[64][64];        /* shift[k]: the operator that appends 2**k zero bytes */

static uint64_t apply(const uint64_t *m, uint64_t v) { uint64_t r = 0; for (int i = 0; v; v >>= 1, i++) if (v & 1) r ^= m[i]; return r; }
static void square(uint64_t *to, const uint64_t *m) { for (int i = 0; i < 64; i++) to[i] = apply(m, m[i]); }
static void crc_init(void) {
    for (int n = 0; n < 256; n++) { uint64_t c = n; for (int k = 0; k < 8; k++) c = c & 1 ? POLY ^ (c >> 1) : c >> 1; table[0][n] = c; }
    for (int t = 1; t < 8; t++) for (int n = 0; n < 256; n++) table[t][n] = table[0][table[t - 1][n] & 255] ^ (table[t - 1][n] >> 8);
    uint64_t a[64], b[64];
    a[0] = POLY; for (int i = 1; i < 64; i++) a[i] = 1ull << (i - 1);
    square(b, a); square(a, b); square(shift[0], a);
    for (int k = 1; k < 64; k++) square(shift[k], shift[k - 1]);
}
static uint64_t crc_add(uint64_t crc, const unsigned char *p, size_t n) {
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w; memcpy(&w, p, 8); w ^= crc;
        crc = table[7][w & 255] ^ table[6][w >> 8 & 255] ^ table[5][w >> 16 & 255] ^ table[4][w >> 24 & 255]
            ^ table[3][w >> 32 & 255] ^ table[2][w >> 40 & 255] ^ table[1][w >> 48 & 255] ^ table[0][w >> 56];
    }
    while (n--) crc = table[0][(crc ^ *p++) & 255] ^ (crc >> 8);
    return ~crc;
}
static uint64_t crc_join(uint64_t first, uint64_t second, long long second_length) {
    for (int k = 0; second_length; second_length >>= 1, k++) if (second_length & 1) first = apply(shift[k], first);
    return first ^ second;
}
static unsigned char pattern[PATTERN];
static uint64_t pattern_crc(long long length) {
    static struct { long long length; uint64_t crc; } seen[64]; static int next;
    for (int i = 0; i < 64; i++) if (length && seen[i].length == length) return seen[i].crc;
    uint64_t whole = crc_add(0, pattern, PATTERN), total = 0; long long unit = PATTERN, count = length / PATTERN, done = 0;
    for (; count; count >>= 1) {      /* from the low bit up: each run of 2**k patterns is appended */
        if (count & 1) { total = crc_join(total, whole, unit); done += unit; }
        whole = crc_join(whole, whole, unit); unit *= 2;
    }
    total = crc_join(total, crc_add(0, pattern, length - done), length - done);
    seen[next].length = length; seen[next].crc = total; next = (next + 1) % 64;
    return total;
}

/* ---- answers */
static const char *const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static void base64(char *to, const char *from) {
    int n = strlen(from);
    for (int i = 0; i < n; i += 3) {
        int left = n - i; uint32_t v = (unsigned char)from[i] << 16;
        if (left > 1) v |= (unsigned char)from[i + 1] << 8;
        if (left > 2) v |= (unsigned char)from[i + 2];
        *to++ = BASE64[v >> 18]; *to++ = BASE64[v >> 12 & 63];
        *to++ = left > 1 ? BASE64[v >> 6 & 63] : '='; *to++ = left > 2 ? BASE64[v & 63] : '=';
    }
    *to = 0;
}

static void put_out(struct conn *c, const char *data, int n) {
    while (n > 0) {
        int sent;
#ifdef WITH_TLS
        sent = c->ssl ? SSL_write(c->ssl, data, n) : (int)send(c->fd, data, n, MSG_NOSIGNAL);
#else
        sent = send(c->fd, data, n, MSG_NOSIGNAL);
#endif
        if (sent <= 0) { if (errno == EAGAIN) { usleep(50); continue; } return; }
        data += sent; n -= sent;
    }
}

static void answer(struct conn *c, double delay_s, int status, const char *headers, const char *body) {
    int n = strlen(body), is_head = !strcmp(c->method, "HEAD");
    char length[64] = ""; if (!is_head) snprintf(length, sizeof length, "Content-Length: %d\r\n", n);
    char date[64]; time_t t = time(NULL); strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&t));
    c->reply_n = asprintf(&c->reply, "HTTP/1.1 %d %s\r\nServer: sink\r\nDate: %s\r\nx-oss-request-id: 5C0000000000000000000000\r\n%s%s\r\n%s",
        status, status == 200 ? "OK" : "No", date, headers, length, is_head ? "" : body);
    c->due = now() + delay_s; c->in_body = 0;
    if (delay_s > 0) { waiting++; return; }
    put_out(c, c->reply, c->reply_n); free(c->reply); c->reply = NULL;
}

static char *query(struct conn *c, const char *name, char *to, size_t size) {
    char *q = strchr(c->target, '?'); to[0] = 0;
    while (q) {
        q++; size_t n = strlen(name);
        if (!strncmp(q, name, n) && (q[n] == '=' || q[n] == '&' || !q[n])) {
            if (q[n] == '=') { size_t m = strcspn(q + n + 1, "&"); if (m >= size) m = size - 1; memcpy(to, q + n + 1, m); to[m] = 0; }
            return to;
        }
        q = strchr(q, '&');
    }
    return NULL;
}

static int over_cap(void) {           /* so many calls in each second, as the service counts */
    double t = now(); if (t - window_at >= 1.0) { window_at = t; window_n = 0; }
    return api_cap && ++window_n > api_cap;
}

static void vod(struct conn *c, const char *action) {
    api_calls++;
    if (over_cap()) {
        throttled++;
        answer(c, api_s, 400, "Content-Type: application/json\r\n", "{\"RequestId\":\"R\",\"Code\":\"Throttling.User\",\"Message\":\"Request was denied due to user flow control.\"}");
        return;
    }
    char plain[1024], auth[2048], address[2048], body[6144]; int id = ++object_n, image = strstr(action, "Image") != NULL;
    snprintf(plain, sizeof plain, "{\"AccessKeyId\":\"STS.bench%d\",\"AccessKeySecret\":\"benchsecret\",\"SecurityToken\":\"benchtoken\",\"Expiration\":\"3600\"}", id);
    base64(auth, plain);
    snprintf(plain, sizeof plain, "{\"Endpoint\":\"%s\",\"Bucket\":\"bench\",\"FileName\":\"o/%d.%s\"}", endpoint, id, image ? "jpg" : "mp4");
    base64(address, plain);
    snprintf(body, sizeof body, "{\"RequestId\":\"R%d\",\"%s\":\"id%d\",%s\"UploadAuth\":\"%s\",\"UploadAddress\":\"%s\"}", id,
        image ? "ImageId" : "VideoId", id, image ? "\"ImageURL\":\"http://x/y.jpg\"," : "", auth, address);
    answer(c, api_s, 200, "Content-Type: application/json\r\n", body);
}

static uint64_t object_crc(struct upload *u, long long *length) {
    uint64_t crc = 0; long long total = 0;
    for (int i = 1; i <= 10000; i++) if (u->parts[i].length) { crc = crc_join(crc, u->parts[i].crc, u->parts[i].length); total += u->parts[i].length; }
    *length = total; return crc;
}

static void drop(struct conn *c);

static void tell(struct conn *c) {
    static char body[65536 * 40];
    if (strstr(c->target, "reset")) {
        for (int fd = 0; fd <= top_fd; fd++) if (conns[fd] && conns[fd] != c) drop(conns[fd]);
        bytes_in = requests = api_calls = throttled = accepted_n = 0; sample_n = 0; first_byte_at = last_byte_at = 0;
        began_at = now(); cpu_at_reset = cpu(); answer(c, 0, 200, "", "{}"); return;
    }
    if (strstr(c->target, "samples")) {
        char *p = body; *p++ = '[';
        for (int i = 0; i < sample_n; i++) p += sprintf(p, "%s[%.4f,%lld]", i ? "," : "", samples[i].at, samples[i].bytes);
        strcpy(p, "]");
    } else
        sprintf(body, "{\"bytes\":%lld,\"requests\":%lld,\"api_calls\":%lld,\"throttled\":%lld,\"connections\":%lld,\"cpu_s\":%.4f,\"wall_s\":%.4f,\"first_byte_at\":%.6f,\"last_byte_at\":%.6f,\"verifies\":%s}",
            bytes_in, requests, api_calls, throttled, accepted_n, cpu() - cpu_at_reset, now() - began_at, first_byte_at, last_byte_at, verify ? "true" : "false");
    answer(c, 0, 200, "Content-Type: application/json\r\n", body);
}

static void finish(struct conn *c) {  /* the whole request is here */
    char headers[256], body[1024], id[64], number[32]; long long length = 0;
    if (!strncmp(c->target, "/_sink/", 7)) { tell(c); return; }
    requests++;
    char *form = !strcmp(c->method, "POST") ? strstr(c->kept, "Action=") : NULL;
    if (!form) form = strstr(c->target, "Action=");
    if (form) { char action[64]; snprintf(action, sizeof action, "%.*s", (int)strcspn(form + 7, "&"), form + 7); vod(c, action); return; }
    struct upload *u = NULL;
    if (query(c, "uploadId", id, sizeof id)) { long k = strtol(id, NULL, 16); if (k > 0 && k <= upload_n) u = &uploads[k % UPLOADS_MAX]; }
    if (!strcmp(c->method, "PUT")) {
        uint64_t crc = verify ? c->crc : pattern_crc(c->length);
        if (u && query(c, "partNumber", number, sizeof number)) { int k = atoi(number); if (k >= 1 && k <= 10000) { u->parts[k].crc = crc; u->parts[k].length = c->length; } }
        snprintf(headers, sizeof headers, "ETag: \"%016llX\"\r\nx-oss-hash-crc64ecma: %llu\r\n", (unsigned long long)crc, (unsigned long long)crc);
        answer(c, store_s, 200, headers, "");
    } else if (!strcmp(c->method, "POST") && u) {
        uint64_t crc = object_crc(u, &length);
        snprintf(headers, sizeof headers, "ETag: \"%016llX-1\"\r\nx-oss-hash-crc64ecma: %llu\r\nContent-Type: application/xml\r\n", (unsigned long long)crc, (unsigned long long)crc);
        snprintf(body, sizeof body, "<?xml version=\"1.0\"?><CompleteMultipartUploadResult><Bucket>bench</Bucket><Key>o</Key><ETag>\"%016llX-1\"</ETag></CompleteMultipartUploadResult>", (unsigned long long)crc);
        free(u->parts); u->parts = calloc(10001, sizeof *u->parts);
        answer(c, store_s, 200, headers, body);
    } else if (!strcmp(c->method, "POST") && query(c, "uploads", id, sizeof id)) {
        u = &uploads[++upload_n % UPLOADS_MAX]; free(u->parts); u->parts = calloc(10001, sizeof *u->parts);
        snprintf(body, sizeof body, "<?xml version=\"1.0\"?><InitiateMultipartUploadResult><Bucket>bench</Bucket><Key>o</Key><UploadId>%X</UploadId></InitiateMultipartUploadResult>", upload_n);
        answer(c, store_s, 200, "Content-Type: application/xml\r\n", body);
    } else if (!strcmp(c->method, "GET") && u) {
        answer(c, store_s, 200, "Content-Type: application/xml\r\n", "<?xml version=\"1.0\"?><ListPartsResult><Bucket>bench</Bucket><Key>o</Key><NextPartNumberMarker>0</NextPartNumberMarker><IsTruncated>false</IsTruncated></ListPartsResult>");
    } else if (!strcmp(c->method, "DELETE")) answer(c, store_s, 200, "", "");
    else answer(c, store_s, 404, "", "");
}

static void drop(struct conn *c) {
    if (c->reply) { free(c->reply); waiting--; }
#ifdef WITH_TLS
    if (c->ssl) SSL_free(c->ssl);
#endif
    conns[c->fd] = NULL; close(c->fd); free(c);
}

static void body_bytes(struct conn *c, const char *data, long long n) {
    int is_put = c->method[0] == 'P' && c->method[1] == 'U';
    if (is_put) {
        double t = now(); if (!first_byte_at) first_byte_at = t;
        last_byte_at = t; bytes_in += n;
        if (sample_n == 0 || (t - samples[sample_n - 1].at >= 0.02 && sample_n < 65535)) { samples[sample_n].at = t; samples[sample_n++].bytes = bytes_in; }
        if (verify) c->crc = crc_add(c->crc, (const unsigned char *)data, n);
    } else if (data) {
        long long room = KEPT_MAX - 1 - c->kept_n, m = n < room ? n : room;
        memcpy(c->kept + c->kept_n, data, m); c->kept_n += m; c->kept[c->kept_n] = 0;
    }
    c->left -= n;
}

static int parse(struct conn *c) {    /* 1 when a head is whole */
    char *end = memmem(c->head, c->head_n, "\r\n\r\n", 4);
    if (!end) return 0;
    int head_n = end + 4 - c->head; *end = 0;
    c->left = 0; c->wanted_close = 0; c->crc = 0; c->kept_n = 0; c->kept[0] = 0;
    sscanf(c->head, "%7s %2047s", c->method, c->target);
    for (char *line = strstr(c->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (!strncasecmp(line + 2, "content-length:", 15)) c->left = atoll(line + 17);
        if (!strncasecmp(line + 2, "connection: close", 17)) c->wanted_close = 1;
    }
    c->length = c->left; c->in_body = 1;
    int extra = c->head_n - head_n;
    if (extra > c->left) extra = c->left;
    if (extra) body_bytes(c, c->head + head_n, extra);
    c->head_n = 0;
    return 1;
}

/* Returns bytes, 0 at the end, -1 when there are none now. `data` is NULL for bytes that may be dropped unseen. */
static long long take_in(struct conn *c, char *data, size_t n) {
#ifdef WITH_TLS
    if (c->ssl) {
        static char scratch[262144]; char *to = data ? data : scratch;
        if (!data && n > sizeof scratch) n = sizeof scratch;
        ERR_clear_error();            /* else a connection that ended badly makes SSL_get_error speak ill of this one */
        int got = SSL_read(c->ssl, to, n);
        if (got > 0) return got;
        int e = SSL_get_error(c->ssl, got);
        return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? -1 : 0;
    }
#endif
    ssize_t got = recv(c->fd, data, n, data ? 0 : MSG_TRUNC);
    return got >= 0 ? got : errno == EAGAIN ? -1 : 0;
}

static void serve(struct conn *c) {
    static char buffer[1 << 20];
    for (;;) {
        if (c->reply) return;         /* no pipelining */
        long long got;
        if (c->in_body && c->left > 0) {
            int seen = verify || c->method[1] != 'U';
            size_t want = c->left < (1 << 24) ? c->left : 1 << 24;
            if (seen && want > sizeof buffer) want = sizeof buffer;
            got = take_in(c, seen ? buffer : NULL, want);
            if (got > 0) body_bytes(c, seen ? buffer : NULL, got);
        } else {
            if (c->head_n >= HEAD_MAX - 1) { drop(c); return; }
            got = take_in(c, c->head + c->head_n, HEAD_MAX - 1 - c->head_n);
            if (got > 0) { c->head_n += got; c->head[c->head_n] = 0; if (!parse(c)) continue; }
        }
        if (got < 0) return;
        if (got == 0) { drop(c); return; }
        if (c->in_body && c->left == 0) {
            finish(c);
            if (!c->reply && c->wanted_close) { drop(c); return; }
        }
    }
}

int main(int argc, char **argv) {
    const char *cert = NULL, *key = NULL, *host = "127.0.0.1", *told = NULL; int port = 0;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i++) {
        char *v = strchr(argv[i], '='); if (!v) return 2;
        *v++ = 0;
        if (!strcmp(argv[i], "port")) port = atoi(v);
        else if (!strcmp(argv[i], "host")) host = v;
        else if (!strcmp(argv[i], "cert")) cert = v;
        else if (!strcmp(argv[i], "key")) key = v;
        else if (!strcmp(argv[i], "verify")) verify = atoi(v);
        else if (!strcmp(argv[i], "api_ms")) api_s = atof(v) / 1000;
        else if (!strcmp(argv[i], "store_ms")) store_s = atof(v) / 1000;
        else if (!strcmp(argv[i], "api_cap")) api_cap = atoi(v);
        else if (!strcmp(argv[i], "endpoint")) told = v;
        else if (!strcmp(argv[i], "pattern")) { FILE *f = fopen(v, "rb"); if (!f || fread(pattern, 1, PATTERN, f) != PATTERN) return 2; fclose(f); }
        else return 2;
    }
    crc_init();
    if (cert) {
#ifdef WITH_TLS
        tls = SSL_CTX_new(TLS_server_method());
        SSL_CTX_set_mode(tls, SSL_MODE_AUTO_RETRY);
        if (SSL_CTX_use_certificate_chain_file(tls, cert) != 1 || SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) return 3;
#else
        (void)key; return 3;
#endif
    }
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)}; inet_pton(AF_INET, host, &a.sin_addr);
    socklen_t alen = sizeof a;
    if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 1024) || getsockname(listener, (struct sockaddr *)&a, &alen)) return 4;
    snprintf(endpoint, sizeof endpoint, "%s://%s:%d", cert ? "https" : "http", host, ntohs(a.sin_port));
    if (told) snprintf(endpoint, sizeof endpoint, "%s", told);
    printf("%d\n", ntohs(a.sin_port)); fflush(stdout);
    epfd = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}; epoll_ctl(epfd, EPOLL_CTL_ADD, listener, &e);
    began_at = now();
    for (;;) {
        struct epoll_event got[64]; double t = now(), next = 1e18;
        if (waiting)
            for (int fd = 0; fd <= top_fd; fd++) {
                struct conn *c = conns[fd];
                if (!c || !c->reply) continue;
                if (c->due > t) { if (c->due < next) next = c->due; continue; }
                put_out(c, c->reply, c->reply_n); free(c->reply); c->reply = NULL; waiting--;
                if (c->wanted_close) drop(c); else serve(c);
            }
        int timeout = next > 1e17 ? -1 : (int)((next - now()) * 1000) + 1;
        if (timeout < 0 && next < 1e17) timeout = 0;
        int n = epoll_wait(epfd, got, 64, timeout);
        for (int i = 0; i < n; i++) {
            int fd = got[i].data.fd;
            if (fd == listener) {
                int s = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (s < 0 || s >= CONNS_MAX) continue;
                setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                struct conn *c = calloc(1, sizeof *c); c->fd = s; conns[s] = c; accepted_n++;
                if (s > top_fd) top_fd = s;
#ifdef WITH_TLS
                if (tls) { c->ssl = SSL_new(tls); SSL_set_fd(c->ssl, s); SSL_set_accept_state(c->ssl); }
#endif
                struct epoll_event w = {.events = EPOLLIN, .data.fd = s}; epoll_ctl(epfd, EPOLL_CTL_ADD, s, &w);
                continue;
            }
            if (conns[fd]) serve(conns[fd]);
        }
    }
}
