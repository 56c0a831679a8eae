// Shows the description that this service gives of itself. Nothing is asked of any other server.
SwaggerUIBundle({
  url: new URL("../openapi.json", document.baseURI).href,
  dom_id: "#api",
  deepLinking: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
  queryConfigEnabled: false,
});
