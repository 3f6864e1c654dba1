import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * Java visits a NATS server whose TLS comes first.
 *
 * <pre>java -Djdk.tls.namedGroups=GROUP Visit PORT VERSION SUITE NAME CA [PKCS12]</pre>
 *
 * Prints "pong" when the server answered its PING, else one line that says why not.
 */
final class Visit {
    private static final char[] PASSWORD = "visit".toCharArray();

    private static KeyManagerFactory keys(String file) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new FileInputStream(file), PASSWORD);
        KeyManagerFactory factory =
            KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, PASSWORD);
        return factory;
    }

    private static TrustManagerFactory trust(String file) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509")
            .generateCertificate(new FileInputStream(file)));
        TrustManagerFactory factory =
            TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory;
    }

    private static SSLSocket dial(String[] args) throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(args.length > 5 ? keys(args[5]).getKeyManagers() : null,
            trust(args[4]).getTrustManagers(), null);
        SSLSocket socket = (SSLSocket) context.getSocketFactory()
            .createSocket("127.0.0.1", Integer.parseInt(args[0]));
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setProtocols(new String[] {"TLSv" + args[1]});
        parameters.setCipherSuites(new String[] {args[2]});
        socket.setSSLParameters(parameters);
        socket.startHandshake();
        return socket;
    }

    public static void main(String[] args) {
        StringBuilder got = new StringBuilder();
        try (SSLSocket socket = dial(args)) {
            OutputStream out = socket.getOutputStream();
            out.write(("CONNECT {\"name\":\"" + args[3] + "\"}\r\nPING\r\n")
                .getBytes(StandardCharsets.US_ASCII));
            out.flush();
            InputStream in = socket.getInputStream();
            byte[] buf = new byte[8192];
            for (int n = in.read(buf); n > 0; n = in.read(buf)) {
                got.append(new String(buf, 0, n, StandardCharsets.US_ASCII));
                if (got.indexOf("PONG\r\n") >= 0) {
                    System.out.println("pong");
                    return;
                }
            }
            System.out.println("closed");
        } catch (Exception e) {
            System.out.println(e);
        }
        System.exit(1);
    }
}
