"""RabbitMQs of other versions than the machine's, and clusters of them."""
