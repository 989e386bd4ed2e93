// The API's own page: Swagger UI on this server's description of itself.
"use strict";
SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger", deepLinking: true, validatorUrl: null, tryItOutEnabled: true});
