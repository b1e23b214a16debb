/* SPDX-License-Identifier: 0BSD */
/* simulate program.elf [mark address]: runs an ATmega2560 by libsimavr, faster and with less decoration than
 * simavr itself. The serial port goes to stdout byte by byte; the exit status is the program's. With an address,
 * stderr gets the cycles at each arrival there. Host program. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

#define STATUS 0x3E /* GPIOR0 in the data space */

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

int main(int argc, char **argv)
{
    elf_firmware_t firmware = {0};
    uint32_t quiet = 0;
    const unsigned long mark = argc > 2 ? strtoul(argv[2], NULL, 0) : ~0ul;
    avr_t *avr = avr_make_mcu_by_name("atmega2560");
    int state = cpu_Running;

    avr_global_logger_set(on_message);
    if (argc < 2 || avr == NULL || elf_read_firmware(argv[1], &firmware) != 0)
        return 97;
    avr_init(avr);
    firmware.frequency = 16000000;
    avr_load_firmware(avr, &firmware);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &quiet);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_byte, NULL);
    while (state != cpu_Done && state != cpu_Crashed) {
        if (avr->pc == mark)
            fprintf(stderr, "mark %llu\n", (unsigned long long)avr->cycle);
        state = avr_run(avr);
    }
    fflush(stdout);
    return state == cpu_Crashed ? 96 : avr->data[STATUS];
}
