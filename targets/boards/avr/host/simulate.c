/* SPDX-License-Identifier: 0BSD */
/* simulate program.elf [entry=0x100 code=0x100-0x180 out=FILE]: runs an ATmega2560 by libsimavr, faster and with less
 * decoration than simavr itself. The serial port goes to stdout byte by byte; the exit status is the program's.
 * With `entry`, FILE gets for each call of the function there, whose code lies at `code` (which may be given several
 * times):
 *     begin
 *     c SITE RUNS CYCLES ADDRESS   of an instruction; SITE: that of the function which called it, 0: its own
 *     end
 * Numbers are hexadecimal, addresses in bytes. Host program. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

#define STATUS 0x3E /* GPIOR0 in the data space */
#define STACK 0x5D  /* SPL, SPH */
#define FLASH 0x40000
#define RANGES 64

struct count {
    struct count *next;
    unsigned long site;
    unsigned long long runs, cycles;
};

static struct count *counts[FLASH / 2]; /* by address of the instruction, in words */
static unsigned long entry = ~0ul, low[RANGES], high[RANGES], site, return_to;
static unsigned ranges;
static int running;
static FILE *out;

static void on_byte(struct avr_irq_t *irq, uint32_t value, void *param)
{
    (void)irq, (void)param;
    putchar((int)(value & 0xff));
}

/* The library tells on stdout what it loads; that is no output of the program. */
static void on_message(avr_t *avr, const int level, const char *format, va_list arguments)
{
    (void)avr;
    if (level <= LOG_WARNING)
        vfprintf(stderr, format, arguments);
}

static int is_inside(unsigned long address)
{
    unsigned i;

    for (i = 0; i < ranges; i++)
        if (low[i] <= address && address < high[i])
            return 1;
    return 0;
}

static void begin(const avr_t *avr)
{
    const unsigned stack = (unsigned)avr->data[STACK] | (unsigned)avr->data[STACK + 1] << 8;
    const unsigned char *back = avr->data + stack + 1; /* in words, high byte first */

    return_to = 2 * ((unsigned long)back[0] << 16 | (unsigned long)back[1] << 8 | back[2]);
    running = 1;
    fputs("begin\n", out);
}

static void end(void)
{
    unsigned long i;
    struct count *count;

    for (i = 0; i < FLASH / 2; i++)
        while ((count = counts[i]) != NULL) {
            fprintf(out, "c %lx %llx %llx %lx\n", count->site, count->runs, count->cycles, 2 * i);
            counts[i] = count->next;
            free(count);
        }
    fputs("end\n", out);
    running = 0;
}

static void add(unsigned long address, unsigned long from, unsigned long long cycles)
{
    struct count *count = counts[address / 2 % (FLASH / 2)];

    while (count && count->site != from)
        count = count->next;
    if (!count) {
        count = (struct count *)calloc(1, sizeof *count);
        if (!count)
            exit(97);
        count->site = from;
        count->next = counts[address / 2];
        counts[address / 2] = count;
    }
    count->runs++;
    count->cycles += cycles;
}

/* One instruction, counted while the function runs. */
static int step(avr_t *avr)
{
    const unsigned long address = avr->pc;
    const unsigned long long before = avr->cycle;
    int state;

    if (running && address == return_to)
        end();
    else if (!running && address == entry)
        begin(avr);
    state = avr_run(avr);
    if (running && is_inside(address))
        site = address;
    if (running)
        add(address, is_inside(address) ? 0 : site, avr->cycle - before);
    return state;
}

static int read_arguments(int argc, char **argv)
{
    int i;
    char *rest;

    for (i = 2; i < argc; i++)
        if (!strncmp(argv[i], "entry=", 6))
            entry = strtoul(argv[i] + 6, NULL, 0);
        else if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w");
        else if (!strncmp(argv[i], "code=", 5) && ranges < RANGES) {
            low[ranges] = strtoul(argv[i] + 5, &rest, 0);
            high[ranges++] = strtoul(rest + (*rest == '-'), NULL, 0);
        } else
            return 0;
    return argc == 2 || (argc > 2 && out);
}

int main(int argc, char **argv)
{
    elf_firmware_t firmware = {0};
    uint32_t quiet = 0;
    avr_t *avr = avr_make_mcu_by_name("atmega2560");
    int state = cpu_Running;

    avr_global_logger_set(on_message);
    if (!read_arguments(argc, argv) || avr == NULL || elf_read_firmware(argv[1], &firmware) != 0)
        return 97;
    avr_init(avr);
    firmware.frequency = 16000000;
    avr_load_firmware(avr, &firmware);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &quiet);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_byte, NULL);
    if (out)
        avr->run_cycle_limit = avr->run_cycle_count = 1; /* or several instructions run at once */
    while (state != cpu_Done && state != cpu_Crashed)
        state = out ? step(avr) : avr_run(avr);
    fflush(stdout);
    if (out && fclose(out))
        return 97;
    return state == cpu_Crashed ? 96 : avr->data[STATUS];
}
