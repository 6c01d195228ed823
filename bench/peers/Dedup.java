import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Kafka Streams: a processor with a RocksDB store and its changelog. */
public final class Dedup {
  private static final String SEEN = "seen";

  /** Forwards first sightings until SIGTERM. */
  public static void main(String[] arguments) {
    Map<String, String> env = System.getenv();
    Topology topology = new Topology();
    topology.addSource(
        "source",
        new ByteArrayDeserializer(),
        new ByteArrayDeserializer(),
        env.get("BENCH_SOURCE"));
    topology.addProcessor("first-sightings", FirstSightings::new, "source");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore(SEEN), Serdes.ByteArray(), Serdes.Long()),
        "first-sightings");
    topology.addSink(
        "sink",
        env.get("BENCH_TARGET"),
        new ByteArraySerializer(),
        new ByteArraySerializer(),
        "first-sightings");
    KafkaStreams streams = new KafkaStreams(topology, properties(env));
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }

  private static Properties properties(Map<String, String> env) {
    boolean exactlyOnce = env.get("BENCH_GUARANTEE").equals("exactly_once");
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, "kafka-streams");
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, env.get("BENCH_BOOTSTRAP"));
    properties.put(StreamsConfig.STATE_DIR_CONFIG, env.get("BENCH_STATE_DIR"));
    properties.put(
        StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
        exactlyOnce ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    int cores = Runtime.getRuntime().availableProcessors();
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, cores);
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    // Else its group outlives it by the session timeout, and the next run has to wait.
    properties.put(StreamsConfig.consumerPrefix("internal.leave.group.on.close"), true);
    return properties;
  }

  private static final class FirstSightings implements Processor<byte[], byte[], byte[], byte[]> {
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], Long> seen;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      this.seen = context.getStateStore(SEEN);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      if (seen.putIfAbsent(record.key(), record.timestamp()) == null) {
        context.forward(record);
      }
    }
  }
}
