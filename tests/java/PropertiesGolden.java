import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Properties;
import java.util.Random;
import java.util.TreeSet;

/**
 * Writes tests/golden/properties_java17.tsv with java.util.Properties, as Kafka's tools read their files: the text, then
 * name and value of each entry in the names' order, or `refused`; all texts in hex. Files are read as UTF-8. Half a
 * surrogate pair counts as refused: to Java it is a char, but it is no text.
 * java PropertiesGolden.java
 */
public class PropertiesGolden {
    /** What the syntax knows, and some that it does not. */
    static final String[] PIECES = {
        "\\", "\\", "\\", "\n", "\n", "\r", "\r\n", " ", " ", "\t", "\f", "=", "=", ":", "#", "!", "a", "a", "b", "key", "u", "n", "r", "t",
        "f", "0", "\\u", "\\u0041", "\\u00e9", "\\u003D", "\\ud83d\\ude00", "\u00e9", "\u20ac", "\ud83d\ude00", "\u00a0",
    };

    static final String[] CHOSEN = {
        "", "a", "a=", "=b", ":", "a=b", "a:b", "a b", "a\tb", "a\fb", "a = b", "a : b", "a =: b", "a==b", "a b=c", "a  b",
        "  a=b", "\t\fa=b  ", "#a=b", "  #a=b", "!a=b", "a#b=c!d", "a=b#c", "#a\\\nb=c", "a=b\nc=d", "a=b\rc=d", "a=b\r\nc=d",
        "a=b\n\n\r\n  \nc=d\n", "a=1\na=2", "a=b\\\nc", "a=b\\\n   c", "a=b\\\r\n\tc", "a=b\\\\\nc=d", "a=b\\\\\\\nc=d", "a\\\n=b",
        "a=b\\\n#c=d", "\\\n#a=b\nc=d", "\\\n\na=b", "a=b\\\n\nc=d", "a=b\\\n  \nc=d", "\\", "\\\n", "a=b\\", "a=\\", "\\ a=b",
        "a\\ b=c", "a\\=b=c", "a\\:b:c", "a\\#=\\#", "\\#a=b", "\\!a=\\!", "a=\\t\\n\\r\\f\\\\", "a=\\q\\\"\\'\\0", "\\u0061=\\u00e9",
        "a=\\u20ac", "a=\\ud83d\\ude00", "a=\\u00E9\\u00e9", "a=\\u00e", "a=\\u", "a=\\uzzzz", "a=\\u 123", "\\u=b", "a=\\\\u0041", "\u00e9=\u20ac\ud83d\ude00",
        "\ufeffa=b", "bootstrap.servers=a:1,\\\n  b:2,\\\n  c:3\nlinger.ms: 5\nacks all", "path=C:\\\\felice", "a\u00a0b=c",
    };

    public static void main(String[] args) throws IOException {
        for (String text : CHOSEN) {
            print(text);
        }
        Random random = new Random(431);
        for (int file = 0; file < 400; file++) {
            StringBuilder text = new StringBuilder();
            for (int left = random.nextInt(24); left >= 0; left--) {
                text.append(PIECES[random.nextInt(PIECES.length)]);
            }
            print(text.toString());
        }
    }

    static void print(String text) throws IOException {
        StringBuilder entries = new StringBuilder();
        Properties properties = new Properties();
        try {
            properties.load(new StringReader(text));
            for (String name : new TreeSet<>(properties.stringPropertyNames())) {
                if (!StandardCharsets.UTF_8.newEncoder().canEncode(name + '\n' + properties.getProperty(name))) {
                    throw new IllegalArgumentException(name);
                }
                entries.append('\t').append(hex(name)).append('\t').append(hex(properties.getProperty(name)));
            }
        } catch (IllegalArgumentException malformed) {
            entries = new StringBuilder("\trefused");
        }
        System.out.println(hex(text) + entries);
    }

    static String hex(String text) {
        return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
    }
}
