"use strict";
// Starts Swagger UI with this service's own description; nothing is asked of any other host.

(() => {
  const KEY = "fusionrec.key"; // as the page keeps it, until the tab is closed
  const said = document.querySelector("#said");
  const access = document.querySelector("#access");
  const input = document.querySelector("#key");

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();

  function withKey(request) {
    const key = sessionStorage.getItem(KEY);
    const own = new URL(request.url, location.href).origin === location.origin;
    if (key && own) request.headers.Authorization = `Bearer ${key}`;
    return request;
  }

  function heard(response) {
    const description = new URL(response.url, location.href).pathname.endsWith("/v1/openapi.json");
    if (!description) return response;
    access.hidden = response.ok;
    said.textContent = response.ok ? "" : "This service shows its reference only to those who have a key.";
    return response;
  }

  function start() {
    window.SwaggerUIBundle({
      url: "v1/openapi.json",
      domNode: document.querySelector("#reference"),
      presets: [window.SwaggerUIBundle.presets.apis],
      layout: "BaseLayout",
      deepLinking: true,
      displayRequestDuration: true,
      defaultModelsExpandDepth: 0,
      validatorUrl: null,
      requestInterceptor: withKey,
      responseInterceptor: heard,
    });
  }

  access.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, input.value.trim());
    input.value = "";
    start();
  });
  start();
})();
