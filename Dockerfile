# The app on port 7860, for Hugging Face Spaces and for any Docker host.
FROM python:3.11-slim

# GDAL comes inside rasterio's wheel; of the system it needs this one library more than slim has.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 user
WORKDIR /home/user/app

# First the CPU build of torch, in the versions that requirements.txt allows (the default one carries CUDA, some
# gigabytes); its own needs are left to the second step, since that index does not hold them in every version.
COPY requirements.txt .
RUN pip install --no-cache-dir --no-deps --index-url https://download.pytorch.org/whl/cpu \
        --constraint requirements.txt torch torchvision \
    && pip install --no-cache-dir --requirement requirements.txt

COPY --chown=user .streamlit .streamlit
COPY --chown=user l2ltr_core l2ltr_core
COPY --chown=user assets assets
COPY --chown=user app app
RUN chown user .

USER 1000

# HOME and the two caches are the only places outside the app that are written to. The free Space has two cores.
# SameSite=none lets the upload work inside the Space's iframe and needs https (or localhost): on a plain http
# host, run with --env STREAMLIT_SERVER_XSRF_COOKIE_SAME_SITE=lax.
ENV HOME=/home/user \
    MPLCONFIGDIR=/home/user/.cache/matplotlib \
    HF_HOME=/home/user/.cache/huggingface \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=2 \
    STREAMLIT_SERVER_XSRF_COOKIE_SAME_SITE=none

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/_stcore/health', timeout=4)"]
CMD ["python", "-m", "streamlit", "run", "app/main.py", "--server.port=7860", "--server.address=0.0.0.0", \
     "--server.headless=true", "--browser.gatherUsageStats=false", "--server.fileWatcherType=none"]
