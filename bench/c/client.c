/* client HOST PORT USER PASSWORD VHOST consume|publish QUEUE COUNT PREFETCH: prints seconds.
 *
 * consume: COUNT messages, each acknowledged by itself, from the first to the last one's acknowledgement.
 * publish: COUNT persistent messages to a durable quorum queue, each confirmed before the next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <amqp.h>
#include <amqp_tcp_socket.h>

static amqp_connection_state_t connection;

static void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static void check(const char *what) {
  if (amqp_get_rpc_reply(connection).reply_type != AMQP_RESPONSE_NORMAL) fail(what);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double consume(const char *queue, long count, int prefetch) {
  amqp_basic_qos(connection, 1, 0, (uint16_t)prefetch, 0);
  check("qos");
  amqp_basic_consume(connection, 1, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, 0, 0,
                     amqp_empty_table);
  check("consume");
  double began = 0;
  for (long number = 0; number < count; number++) {
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(connection);
    if (amqp_consume_message(connection, &envelope, NULL, 0).reply_type != AMQP_RESPONSE_NORMAL)
      fail("a message did not come");
    if (number == 0) began = now();
    if (amqp_basic_ack(connection, 1, envelope.delivery_tag, 0)) fail("an acknowledgement");
    amqp_destroy_envelope(&envelope);
  }
  /* Answered behind the acknowledgements: the broker has read them all. */
  amqp_basic_qos(connection, 1, 0, (uint16_t)prefetch, 0);
  check("the last acknowledgement");
  return now() - began;
}

static void declare(const char *queue) {
  amqp_table_entry_t kind;
  kind.key = amqp_cstring_bytes("x-queue-type");
  kind.value.kind = AMQP_FIELD_KIND_UTF8;
  kind.value.value.bytes = amqp_cstring_bytes("quorum");
  amqp_table_t arguments = {1, &kind};
  amqp_queue_declare(connection, 1, amqp_cstring_bytes(queue), 0, 1, 0, 0, arguments);
  check("declare");
}

static double publish(const char *queue, long count) {
  char body[256];
  memset(body, 'x', sizeof body);
  amqp_bytes_t bytes = {sizeof body, body};
  amqp_basic_properties_t properties;
  memset(&properties, 0, sizeof properties);
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = 2;
  declare(queue);
  amqp_confirm_select(connection, 1);
  check("confirm.select");
  double began = now();
  for (long number = 0; number < count; number++) {
    amqp_frame_t frame;
    if (amqp_basic_publish(connection, 1, amqp_empty_bytes, amqp_cstring_bytes(queue), 1, 0,
                           &properties, bytes))
      fail("publish");
    amqp_maybe_release_buffers(connection);
    if (amqp_simple_wait_frame(connection, &frame)) fail("a confirm did not come");
    if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
      fail("not confirmed");
  }
  return now() - began;
}

int main(int argc, char **argv) {
  if (argc != 10) fail("HOST PORT USER PASSWORD VHOST consume|publish QUEUE COUNT PREFETCH");
  connection = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  if (!socket || amqp_socket_open(socket, argv[1], atoi(argv[2]))) fail("cannot connect");
  amqp_rpc_reply_t login = amqp_login(connection, argv[5], 0, 131072, 0, AMQP_SASL_METHOD_PLAIN,
                                      argv[3], argv[4]);
  if (login.reply_type != AMQP_RESPONSE_NORMAL) fail("login");
  amqp_channel_open(connection, 1);
  check("channel.open");
  long count = atol(argv[8]);
  double took = strcmp(argv[6], "consume") == 0 ? consume(argv[7], count, atoi(argv[9]))
                                                : publish(argv[7], count);
  printf("%.6f\n", took);
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(connection);
  return 0;
}
