import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Java's own client as it comes, which offers HTTP/2 with its requests: a vector, a batch and a prediction. */
public class JavaAsks {
    public static void main(String[] arguments) throws Exception {
        String base = arguments[0], client = arguments[1];
        HttpClient java = HttpClient.newHttpClient();
        String batch = "{\"client_ids\":[" + client + "]}";
        for (int round = 0; round < 2; round++) {  // the second one on a kept connection
            ask(java, HttpRequest.newBuilder(URI.create(base + "/online_feature_store/client_id=" + client)));
            for (String path : new String[] {"/online_feature_store/batch", "/credit_risk/batch"}) {
                ask(java, HttpRequest.newBuilder(URI.create(base + path))
                    .header("Content-Type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofString(batch)));
            }
        }
    }

    private static void ask(HttpClient java, HttpRequest.Builder request) throws Exception {
        HttpResponse<String> answer = java.send(request.build(), HttpResponse.BodyHandlers.ofString());
        System.out.println(answer.statusCode() + " " + answer.body());
        if (answer.statusCode() != 200) {
            System.exit(1);
        }
    }
}
