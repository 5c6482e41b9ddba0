addEventListener("load", () => {
  for (const service of ["feature-service", "prediction-service"]) {
    const domNode = document.getElementById("swagger-ui").appendChild(document.createElement("div"));
    SwaggerUIBundle({ url: `${service}/openapi.json`, domNode, deepLinking: true, layout: "BaseLayout", validatorUrl: null });
  }
});
