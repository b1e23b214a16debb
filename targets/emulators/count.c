/* SPDX-License-Identifier: 0BSD */
/* A plug-in of QEMU (interface version 1, QEMU 4.2 to 8.2): how often each instruction runs while a function does, by
 * the place in the function from which it was called. Host program:
 *     qemu-... -plugin count.so,entry=0x100,code=0x100-0x180,out=FILE
 * `code` is where the function lies; it may be given several times. FILE gets for each call of the function:
 *     begin
 *     b SITE RUNS TAKEN ADDRESS...   instructions that run one after another, RUNS times, TAKEN of them with a jump at
 *     end                            the end; SITE: the instruction of the function that called them, 0: its own
 * Numbers are hexadecimal. Nothing of the program is changed for this. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* QEMU's header needs glib and is in no package: this is all that we use of it. */
typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*on_translation)(plugin_id, struct qemu_plugin_tb *);
typedef void (*on_execution)(unsigned int cpu, void *data);
#define CB_NO_REGS 0
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translation);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, on_execution, int, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

#define EXPORT __attribute__((visibility("default")))
EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_install(plugin_id, const void *, int, char **);
EXPORT int qemu_plugin_version = 1;

/* Runs of a block from one site. */
struct count {
    struct count *next;
    uint64_t site, runs, taken;
};

/* What the emulator translates in one piece: it is entered at its start only and left at its end only. */
struct block {
    struct block *next;
    struct count *counts; /* the one used last comes first */
    uint64_t end;
    int inside; /* of the function's own code */
    size_t n;
    uint64_t addresses[];
};

#define RANGES 64
static struct {
    uint64_t low, high;
} code[RANGES];
static unsigned ranges;
static uint64_t entry, return_to, site;
static struct block *blocks;
static const struct block *before; /* the block that ran last */
static struct count *counted;      /* and its count */
static int running;
static FILE *out;

static void fail(const char *why)
{
    fprintf(stderr, "count: %s\n", why);
    exit(98);
}

static void *reserve(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (!memory)
        fail("no memory");
    return memory;
}

static int is_inside(uint64_t address)
{
    unsigned i;

    for (i = 0; i < ranges; i++)
        if (code[i].low <= address && address < code[i].high)
            return 1;
    return 0;
}

static void begin(uint64_t back)
{
    struct block *block;
    struct count *count;

    for (block = blocks; block; block = block->next)
        for (count = block->counts; count; count = count->next)
            count->runs = count->taken = 0;
    return_to = back;
    running = 1;
    fputs("begin\n", out);
}

static void end(void)
{
    const struct block *block;
    const struct count *count;
    size_t i;

    for (block = blocks; block; block = block->next)
        for (count = block->counts; count; count = count->next) {
            if (!count->runs)
                continue;
            fprintf(out, "b %llx %llx %llx", (unsigned long long)count->site, (unsigned long long)count->runs,
                    (unsigned long long)count->taken);
            for (i = 0; i < block->n; i++)
                fprintf(out, " %llx", (unsigned long long)block->addresses[i]);
            fputc('\n', out);
        }
    fputs("end\n", out);
    fflush(out); /* an emulator in user mode ends without doing so */
    running = 0;
}

/* The count of a block from a site, moved to the front of its list. */
static struct count *count_of(struct block *block, uint64_t from)
{
    struct count **link = &block->counts, *found;

    while (*link && (*link)->site != from)
        link = &(*link)->next;
    found = *link;
    if (found)
        *link = found->next;
    else
        found = (struct count *)reserve(sizeof *found);
    found->site = from;
    found->next = block->counts;
    block->counts = found;
    return found;
}

static void on_block(unsigned int cpu, void *data)
{
    struct block *block = (struct block *)data;
    const uint64_t start = block->addresses[0];

    (void)cpu;
    if (running && before->end != start)
        counted->taken++;
    if (running && start == return_to)
        end();
    else if (!running && before && start == entry)
        begin(before->end); /* it comes back behind the call */
    before = block;
    if (!running)
        return;
    if (block->inside)
        site = block->addresses[block->n - 1];
    counted = count_of(block, block->inside ? 0 : site);
    counted->runs++;
}

static void on_translate(plugin_id id, struct qemu_plugin_tb *tb)
{
    const size_t n = qemu_plugin_tb_n_insns(tb);
    struct block *block = (struct block *)reserve(sizeof *block + n * sizeof block->addresses[0]);
    const struct qemu_plugin_insn *insn = NULL;
    size_t i;

    (void)id;
    for (i = 0; i < n; i++) {
        insn = qemu_plugin_tb_get_insn(tb, i);
        block->addresses[i] = qemu_plugin_insn_vaddr(insn);
    }
    block->n = n;
    block->end = block->addresses[n - 1] + qemu_plugin_insn_size(insn);
    block->inside = is_inside(block->addresses[0]);
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, CB_NO_REGS, block);
}

static void add_range(const char *text)
{
    char *rest;

    if (ranges == RANGES)
        fail("too many pieces of code");
    code[ranges].low = strtoull(text, &rest, 0);
    code[ranges].high = strtoull(rest + (*rest == '-'), NULL, 0);
    ranges++;
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    int i;

    (void)info;
    for (i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "entry=", 6))
            entry = strtoull(argv[i] + 6, NULL, 0);
        else if (!strncmp(argv[i], "code=", 5))
            add_range(argv[i] + 5);
        else if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w");
        else
            fail("an argument that it does not know");
    }
    if (!out)
        fail("cannot write the counts");
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    return 0;
}
