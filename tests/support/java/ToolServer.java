import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.tools.VerifiableConsumer;

/**
 * Apache Kafka's own tools, unchanged, many of them in one JVM: its start costs more than most tools do.
 *
 * One JSON object a line on standard input, with an "id" that every answer to it bears:
 *   {"op": "run", "class": NAME, "arguments": [...]}        answered by {"exit": CODE, "output": TEXT, "errors": TEXT}
 *   {"op": "consume", "topic": NAME, "settings": {...}}     begins a VerifiableConsumer; each line it prints is {"event": {...}},
 *                                                           and the last of it is {"ended": true}
 *   {"op": "close"}                                         has the consumer of that id leave its group and end
 *
 * Standard output and standard error belong to the thread that prints, and to those that it starts. A tool that ends the JVM ends its thread.
 */
public final class ToolServer {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream ANSWERS = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
    private static final InheritableThreadLocal<Streams> STREAMS = new InheritableThreadLocal<>();
    private static final Map<Long, VerifiableConsumer> CONSUMERS = new ConcurrentHashMap<>();

    public static void main(String[] arguments) throws IOException {
        OutputStream errors = System.err;
        System.setOut(boundStream(null));
        System.setErr(boundStream(errors));
        Exit.setExitProcedure((code, message) -> end(code));
        Exit.setHaltProcedure((code, message) -> end(code));
        // What the tools want to do at the end of the JVM is to close clients, which end with it.
        Exit.setShutdownHookAdder((name, hook) -> { });
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            JsonNode question = JSON.readTree(line);
            Thread worker = new Thread(() -> perform(question), "tool-" + question.get("id"));
            worker.setDaemon(true);
            worker.start();
        }
        Runtime.getRuntime().halt(0);
    }

    private static void perform(JsonNode question) {
        long id = question.get("id").asLong();
        switch (question.get("op").asText()) {
            case "run" -> run(id, question);
            case "consume" -> consume(id, question);
            case "close" -> CONSUMERS.get(id).close();
            default -> throw new IllegalArgumentException(question.toString());
        }
    }

    private static void run(long id, JsonNode question) {
        Streams streams = new Streams();
        STREAMS.set(streams);
        List<String> arguments = new ArrayList<>();
        question.get("arguments").forEach(one -> arguments.add(one.asText()));
        int code = exitCode(question.get("class").asText(), arguments.toArray(String[]::new), streams);
        ObjectNode answer = JSON.createObjectNode();
        answer.put("exit", code);
        answer.put("output", streams.output.toString(StandardCharsets.UTF_8));
        answer.put("errors", streams.errors.toString(StandardCharsets.UTF_8));
        say(id, answer);
    }

    private static int exitCode(String className, String[] arguments, Streams streams) {
        try {
            Class.forName(className).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException failure) {
            if (streams.exitCode == null) {
                failure.getCause().printStackTrace(new PrintStream(streams.errors, true));
                return 1;
            }
        } catch (ReflectiveOperationException failure) {
            throw new IllegalArgumentException(className, failure);
        }
        return streams.exitCode == null ? 0 : streams.exitCode;
    }

    /** The first end counts: a tool may take the throw for a failure, and end once more. */
    private static void end(int code) {
        Streams streams = STREAMS.get();
        if (streams != null && streams.exitCode == null) streams.exitCode = code;
        throw new Ended();
    }

    private static void consume(long id, JsonNode question) {
        Properties settings = new Properties();
        question.get("settings").properties().forEach(one -> settings.put(one.getKey(), one.getValue().asText()));
        StringDeserializer text = new StringDeserializer();
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings, text, text);
        PrintStream events = new PrintStream(new EventLines(id), true, StandardCharsets.UTF_8);
        VerifiableConsumer verifiable = new VerifiableConsumer(consumer, events, question.get("topic").asText(), -1, false, false, true);
        CONSUMERS.put(id, verifiable);
        verifiable.run();
        say(id, JSON.createObjectNode().put("ended", true));
    }

    private static void say(long id, ObjectNode answer) {
        answer.put("id", id);
        synchronized (ANSWERS) {
            ANSWERS.println(answer);
            ANSWERS.flush();
        }
    }

    private static PrintStream boundStream(OutputStream other) {
        return new PrintStream(new BoundOutput(other), true, StandardCharsets.UTF_8);
    }

    private static final class Streams {
        final ByteArrayOutputStream output = new ByteArrayOutputStream();
        final ByteArrayOutputStream errors = new ByteArrayOutputStream();
        volatile Integer exitCode = null;
    }

    /** What is thrown where a tool would have ended the JVM; no exception, so that those who catch their failures let it pass. */
    @SuppressWarnings("serial")
    private static final class Ended extends Error {
        Ended() {
            super(null, null, false, false);
        }
    }

    /** Writes to the stream of the current thread: its errors where there are others to fall back to, its output where not. */
    private static final class BoundOutput extends OutputStream {
        private final OutputStream errors;

        BoundOutput(OutputStream errors) {
            this.errors = errors;
        }

        @Override
        public void write(int value) throws IOException {
            write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int start, int length) throws IOException {
            Streams streams = STREAMS.get();
            if (streams != null) (errors == null ? streams.output : streams.errors).write(bytes, start, length);
            else if (errors != null) errors.write(bytes, start, length);
        }
    }

    /** Says each whole line that is printed as an event. */
    private static final class EventLines extends OutputStream {
        private final long id;
        private final ByteArrayOutputStream line = new ByteArrayOutputStream();

        EventLines(long id) {
            this.id = id;
        }

        @Override
        public synchronized void write(int value) throws IOException {
            if (value != '\n') {
                line.write(value);
                return;
            }
            ObjectNode answer = JSON.createObjectNode();
            answer.set("event", JSON.readTree(line.toString(StandardCharsets.UTF_8)));
            line.reset();
            say(id, answer);
        }
    }
}
